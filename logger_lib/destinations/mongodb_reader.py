"""Reading the ``mongodb`` destination: newest first, by the order of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import ExecutionTimeout, PyMongoError

from logger_lib.destinations.mongodb_documents import Document, record_of
from logger_lib.errors import DestinationUnreachable
from logger_lib.logger import LogQuery
from logger_lib.matching import answers
from logger_lib.record import microseconds_of
from logger_lib.term_reader import Deadline, Decoded, Span, TermReader

Bounds: TypeAlias = "dict[str, str] | dict[str, int] | dict[str, list[str]]"
Conditions: TypeAlias = "dict[str, int | bool | str | Bounds | list[dict[str, int]]]"

# Decoded one by one: what the server sends at once may be 16 MiB, and many times that as objects.
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_ID_ALONE = {"_id": True}
_IDS_AT_ONCE = 1000
"""In one question: it is BSON, of which the server takes 16 MiB."""

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

    def _ids_of_event(self, event_id: str, deadline: Deadline) -> list[str]:
        return [_id_of(each) for each in self._find({"event_id": event_id}, deadline, _ID_ALONE)]

    def _apps(self, deadline: Deadline) -> list[str]:
        with _bounded(deadline):
            found = self._collection().distinct("app")
        return [str(app or "") for app in found]

    def _newest_ids(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> list[str]:
        conditions = dict(_conditions(query, terms, span))
        found = self._find(conditions, deadline, _ID_ALONE, query.limit)
        return [_id_of(each) for each in found]

    def _newest(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> Iterator[Decoded]:
        while True:
            seen = 0
            conditions = dict(_conditions(query, terms, span))
            for document in self._find(conditions, deadline, None, query.limit):
                record = record_of(document)
                # Terms are numbers, and two may be the same.
                if answers(record, query):
                    yield record, len(document.raw)
                deadline.reached = record.id
                seen += 1
            if seen < query.limit:
                return
            span = replace(span, upper=deadline.reached)

    def _records(self, ids: Sequence[str], deadline: Deadline) -> Iterator[Decoded]:
        for start in range(0, len(ids), _IDS_AT_ONCE):
            asked: Conditions = {"_id": {"$in": list(ids[start : start + _IDS_AT_ONCE])}}
            for document in self._find(asked, deadline):
                yield record_of(document), len(document.raw)

    def _find(
        self,
        conditions: Conditions,
        deadline: Deadline,
        fields: Mapping[str, bool] | None = None,
        limit: int = 0,
    ) -> Iterator[RawBSONDocument]:
        """Yield what is found, newest first; the server sends it in parts of 16 MiB at most."""
        with _bounded(deadline):
            found = self._collection().with_options(_RAW).find(conditions, fields, limit=limit)
        with closing(found.sort("_id", DESCENDING)):
            while True:
                with _bounded(deadline):
                    document = next(found, None)
                if document is None:
                    return
                yield document


@contextmanager
def _bounded(deadline: Deadline) -> Iterator[None]:
    try:
        # For all that happens within: finding the server, a second try, every part of the answer.
        with pymongo.timeout(deadline.left()):
            yield
    except ExecutionTimeout as error:
        raise deadline.missed() from error
    except PyMongoError as error:
        raise DestinationUnreachable("mongodb") from error


def _id_of(document: RawBSONDocument) -> str:
    return str(document["_id"])


def _conditions(
    query: LogQuery, terms: Sequence[int], span: Span
) -> Iterator[tuple[str, int | bool | str | Bounds | list[dict[str, int]]]]:
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
