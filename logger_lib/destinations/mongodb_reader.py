"""Reading the ``mongodb`` destination: newest first, by the order of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import pymongo
from pymongo import DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import ExecutionTimeout, PyMongoError

from logger_lib.destinations.mongodb_documents import Document, record_of
from logger_lib.errors import DestinationUnreachable, ReadTooLong
from logger_lib.logger import LogQuery
from logger_lib.matching import answers
from logger_lib.record import LogRecord, microseconds_of
from logger_lib.term_reader import READ_SECONDS, Deadline, Span, TermReader

Condition: TypeAlias = "int | bool | dict[str, str] | dict[str, int] | list[dict[str, int]]"

INDEXES = [
    IndexModel([("terms", 1), ("_id", DESCENDING)], name="terms"),
    IndexModel([("event_id", 1)], name="event_id"),
    IndexModel([("app", 1)], name="app"),
]
"""Beside that of ``_id``, which every collection has."""


class MongoReader(TermReader):
    """Reads the collection by the index of the terms, or by ``_id``."""

    def __init__(self, collection: Callable[[], Collection[Document]]) -> None:
        self._collection = collection

    def _of_event(self, query: LogQuery, event_id: str) -> list[LogRecord]:
        with _bounded(READ_SECONDS):
            found = [record_of(each) for each in self._collection().find({"event_id": event_id})]
        found.sort(key=lambda record: record.id, reverse=True)
        return [record for record in found if answers(record, query)][: query.limit]

    def _apps(self) -> list[str]:
        with _bounded(READ_SECONDS):
            found = self._collection().distinct("app")
        return [str(app or "") for app in found]

    def _newest(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> list[LogRecord]:
        conditions = dict(_conditions(query, terms, span))
        with _bounded(deadline.left()):
            found = self._collection().find(conditions).sort("_id", DESCENDING).limit(query.limit)
            records = [record_of(document) for document in found]
        # Terms are numbers, and two may be the same.
        return [record for record in records if answers(record, query)]


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    try:
        # For all that happens within: finding the server, a second try, every part of the answer.
        with pymongo.timeout(seconds):
            yield
    except ExecutionTimeout as error:
        raise ReadTooLong(seconds) from error
    except PyMongoError as error:
        raise DestinationUnreachable("mongodb") from error


def _conditions(
    query: LogQuery, terms: Sequence[int], span: Span
) -> Iterator[tuple[str, Condition]]:
    if terms:
        yield "terms", terms[0]
    if len(terms) > 1:
        # Not $all: some servers go through the whole collection for that.
        yield "$and", [{"terms": term} for term in terms[1:]]
    if query.events_only:
        yield "is_event", True
    bounds = {"$gte": span.lower, "$lt": span.upper}
    ids = {name: bound for name, bound in bounds.items() if bound is not None}
    if ids:
        yield "_id", ids
    times = {"$gte": query.since, "$lt": query.until}
    moments = {name: microseconds_of(time) for name, time in times.items() if time is not None}
    if moments:
        yield "time_us", moments
