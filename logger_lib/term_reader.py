"""What the readers of destinations that keep terms have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from logger_lib.errors import ReadTooLong
from logger_lib.ids import earliest_id
from logger_lib.logger import LogQuery, LogReader
from logger_lib.matching import answers
from logger_lib.pipeline.limits import BREATH, BREATH_BYTES
from logger_lib.record import LogRecord, microseconds_of
from logger_lib.terms import asks_by_terms, terms_asked

READ_SECONDS = 5.0
"""How long a read may take, without what is done with its records meanwhile."""
_TOLERANCE = 10_000_000
"""How many microseconds the time in a record's id may be away from the record's own."""

Decoded: TypeAlias = tuple[LogRecord, int]
"""A record, and how many bytes were decoded for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """The ids between which a read looks; ``lower`` is included, ``upper`` is not."""

    lower: str | None
    upper: str | None


class Deadline:
    """The end of the time that one read may take, and how far it has come."""

    def __init__(self) -> None:
        self._at = time.monotonic() + READ_SECONDS
        self.reached: str | None = None
        """All that is asked for and not older than this id was handed on."""

    def left(self) -> float:
        """Return how many seconds are left; raises ``ReadTooLong`` where there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> ReadTooLong:
        """Return the error for a read that has not ended in time."""
        return ReadTooLong(READ_SECONDS, self.reached)

    def put_off(self, seconds: float) -> None:
        """Give so much more time."""
        self._at += seconds


class TermReader(LogReader):
    """Reads the newest records that one or several terms find, or all."""

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``query`` asks for, newest first by record id; see ``stream``."""
        return list(self.stream(query))

    def stream(self, query: LogQuery) -> Iterator[LogRecord]:
        """Yield what ``query`` asks for, newest first by id; an event loop goes on meanwhile.

        Raises ``ReadTooLong`` after ``READ_SECONDS``, ``DestinationUnreachable`` where the
        destination does not answer.
        """
        if query.limit <= 0:
            return
        deadline = Deadline()
        for record in _with_breath(islice(self._found(query, deadline), query.limit)):
            deadline.reached = record.id
            handed_on = time.monotonic()
            yield record
            deadline.put_off(time.monotonic() - handed_on)

    def _found(self, query: LogQuery, deadline: Deadline) -> Iterator[Decoded]:
        if query.event_id is not None:
            ids = sorted(self._ids_of_event(query.event_id, deadline), reverse=True)
            found = self._records(ids, deadline)
            return (each for each in found if answers(each[0], query))
        span = _span_of(query)
        if not asks_by_terms(query):
            return self._newest(query, (), span, deadline)
        if query.app is not None:
            return self._newest(query, terms_asked(query, query.app), span, deadline)
        return self._records(self._newest_ids_of_all(query, span, deadline), deadline)

    def _newest_ids_of_all(self, query: LogQuery, span: Span, deadline: Deadline) -> list[str]:
        """Look for each app's newest records, and return the ids of the newest of these."""
        found: list[str] = []
        for app in self._apps(deadline):
            if len(found) == query.limit:
                span = replace(span, lower=found[-1])
            found += self._newest_ids(query, terms_asked(query, app), span, deadline)
            found.sort(reverse=True)
            del found[query.limit :]
        return found

    @abstractmethod
    def _ids_of_event(self, event_id: str, deadline: Deadline) -> list[str]:
        """Return the ids of the few records of one event."""

    @abstractmethod
    def _apps(self, deadline: Deadline) -> list[str]:
        """Return the apps that there are records of; ``""`` where some have none."""

    @abstractmethod
    def _newest_ids(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> list[str]:
        """Return the ids of what ``_newest`` yields, ``query.limit`` at most."""

    @abstractmethod
    def _newest(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> Iterator[Decoded]:
        """Yield the newest records in ``span`` that all ``terms`` find, as ``query`` asks.

        There may be more than its limit. A part of bounded size is in memory at a time. How far
        was looked is told to ``deadline``.
        """

    @abstractmethod
    def _records(self, ids: Sequence[str], deadline: Deadline) -> Iterator[Decoded]:
        """Yield the records of ``ids`` in their order, a part of bounded size in memory."""


def _with_breath(found: Iterator[Decoded]) -> Iterator[LogRecord]:
    """Let an event loop go on between the records, however large they are."""
    records = size = 0
    for record, decoded in found:
        yield record
        records, size = records + 1, size + decoded
        if records >= BREATH or size >= BREATH_BYTES:
            time.sleep(0)
            records = size = 0


def _span_of(query: LogQuery) -> Span:
    uppers = [] if query.before is None else [query.before]
    if query.until is not None:
        uppers.append(earliest_id((microseconds_of(query.until) + _TOLERANCE) // 1000 + 1))
    lower = None
    if query.since is not None:
        lower = earliest_id((microseconds_of(query.since) - _TOLERANCE) // 1000)
    return Span(lower, min(uppers, default=None))
