"""The indexes of the collection: the reader's, and that by which MongoDB deletes what is old."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TypeAlias

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout, OperationFailure, PyMongoError

from logger_lib.destinations.mongodb_documents import Document
from logger_lib.destinations.mongodb_reader import INDEXES
from logger_lib.json_value import JsonValue
from logger_lib.notice import Notice
from logger_lib.pipeline.backoff import Breaker

Found: TypeAlias = Mapping[str, Mapping[str, JsonValue]]
"""The indexes that there are, by their names."""

_RETENTION = "retention"
"""The name of the index by which MongoDB deletes what is old."""

_LONGEST_PAUSE = 3600.0


class Indexes:
    """Makes the indexes that are missing, of which none is needed to write.

    What the server refuses, or takes too long for, is counted and said, and tried again after
    ``pause`` seconds, then after twice as many, up to an hour.
    """

    def __init__(
        self,
        collection: Callable[[], Collection[Document]],
        keep: timedelta | None,
        notice: Notice,
        pause: float,
    ) -> None:
        self._collection = collection
        self._keep = keep
        self._notice = notice
        self._breaker = Breaker(1, pause, _LONGEST_PAUSE)
        self.failures = 0
        """How often some could not be made."""

    def make(self) -> None:
        """Make what is missing; raises where the server is out of reach."""
        if errors := list(self._refusals()):
            self.failures += 1
            self._breaker.failed()
            self._notice.cannot_index(errors[0])
        else:
            self._breaker.succeeded()
            self._notice.indexed()

    def make_again(self) -> None:
        """Make what could not be made before, when it is time for that; raises nothing."""
        if not self._breaker.failures or self._breaker.pause:
            return
        try:
            self.make()
        except PyMongoError:
            # The next batch has the same trouble, and that is what is told of it.
            self.failures += 1
            self._breaker.failed()

    def _refusals(self) -> Iterator[PyMongoError]:
        collection = self._collection()
        try:
            found = collection.index_information()
        except OperationFailure as error:
            yield error
            return
        for make in (_make_readers, self._make_retention):
            try:
                make(collection, found)
            except (OperationFailure, NetworkTimeout) as error:
                yield error

    def _make_retention(self, collection: Collection[Document], found: Found) -> None:
        there = found.get(_RETENTION)
        seconds = None if self._keep is None else int(self._keep.total_seconds())
        if seconds is None:
            if there is not None:
                collection.drop_index(_RETENTION)
        elif there is None:
            collection.create_index(
                [("time", ASCENDING)], name=_RETENTION, expireAfterSeconds=seconds
            )
        elif there.get("expireAfterSeconds") != seconds:
            changed = {"name": _RETENTION, "expireAfterSeconds": seconds}
            collection.database.command("collMod", collection.name, index=changed)


def _make_readers(collection: Collection[Document], found: Found) -> None:
    # One that another process is making is among those found: to ask for it would be to wait.
    missing = [index for index in INDEXES if index.document["name"] not in found]
    if missing:
        collection.create_indexes(missing)
