"""The ``mongodb`` destination: one document a record, in a collection that every host writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self, TypeAlias, TypedDict

import bson
from bson.dbref import DBRef
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import DESCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from logger_lib.batching import DEFAULT_LIMITS, BatchedLoggerFactory, Limits, Sink
from logger_lib.errors import RecordsRejected, SettingMissing
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.logger import LogQuery, LogReader
from logger_lib.record import Level, LogRecord


class Document(TypedDict):
    """A record as it is stored."""

    _id: str
    time: datetime
    time_us: int
    level: int
    event: str
    message: str
    fields: JsonObject
    event_id: str | None
    app: str | None
    rooms: list[str]
    recipients: list[str]


Source: TypeAlias = "Collection[Document] | Callable[[], Collection[Document]]"
Condition: TypeAlias = "str | dict[str, str | int]"

COLLECTION = "event_log"
_DATABASE = "herald"
_DUPLICATE_KEY = 11000
_MAX_BYTES = 16 * 1024 * 1024
# MongoDB takes 100 levels in all; the document and the command around it take some.
_MAX_DEPTH = 90
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMEOUT_MS = 4000

_INDEXES = [
    IndexModel([("event", 1), ("_id", DESCENDING)]),
    IndexModel([("rooms", 1), ("_id", DESCENDING)]),
    IndexModel([("app", 1), ("_id", DESCENDING)]),
    IndexModel([("event_id", 1)]),
    IndexModel([("time", 1)]),
    IndexModel([("time_us", 1)]),
]


class MongoLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that write to a collection, and a reader of it.

    ``source`` is the collection, of PyMongo or of Flask-PyMongo (``mongo.db["event_log"]``), or a
    function that returns it, for programs that connect later or fork.
    """

    def __init__(self, source: Source, *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__("mongodb", limits)
        self._collection = (lambda: source) if isinstance(source, Collection) else source
        self._sink = _MongoSink(self._collection)
        self._client: MongoClient[Document] | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Connect to ``MONGO_URI``; the database is the one it names, else ``herald``."""
        uri = settings.get("MONGO_URI")
        if not uri:
            raise SettingMissing("mongodb", "MONGO_URI")
        client: MongoClient[Document] = MongoClient(
            uri,
            # PyMongo would wait 30 s for a server that is down.
            serverSelectionTimeoutMS=_TIMEOUT_MS,
            connectTimeoutMS=_TIMEOUT_MS,
            socketTimeoutMS=_TIMEOUT_MS,
            appname="herald",
        )
        factory = cls(client.get_default_database(_DATABASE)[COLLECTION])
        factory._client = client
        return factory

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink

    def create_reader(self) -> LogReader:
        """Return the reader of the collection."""
        return MongoReader(self._collection)

    def close(self) -> None:
        """Disconnect, where ``from_settings`` connected."""
        if self._client is not None:
            self._client.close()


class _MongoSink(Sink):
    def __init__(self, collection: Callable[[], Collection[Document]]) -> None:
        self._collection = collection

    def prepare(self) -> None:
        """Make the indexes of the reader's queries."""
        self._collection().create_indexes(_INDEXES)

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch unordered; a record that is already there counts as written."""
        documents: list[RawBSONDocument] = []
        sent: list[LogRecord] = []
        refused: list[LogRecord] = []
        reason = ""
        for record in batch:
            # Each alone first: one document that BSON cannot hold makes PyMongo store none.
            try:
                documents.append(RawBSONDocument(_encode(record)))
                sent.append(record)
            except (BSONError, ValueError, TypeError, OverflowError, RecursionError) as error:
                refused.append(record)
                reason = reason or f"BSON cannot hold it: {error}"
        for index, message in self._insert(documents).items():
            refused.append(sent[index])
            reason = reason or message
        if refused:
            raise RecordsRejected(refused, reason)

    def _insert(self, documents: list[RawBSONDocument]) -> dict[int, str]:
        """Insert and return the server's reason for each document that it refused."""
        if not documents:
            return {}
        try:
            self._collection().insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                # From None: the original's text holds the documents.
                raise ConnectionError("MongoDB did not confirm the write") from None
            return {
                int(refusal["index"]): str(refusal["errmsg"])
                for refusal in error.details["writeErrors"]
                if refusal["code"] != _DUPLICATE_KEY
            }
        return {}


class MongoReader(LogReader):
    """Reads the collection by its indexes."""

    def __init__(self, collection: Callable[[], Collection[Document]]) -> None:
        self._collection = collection

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``query`` asks for, newest first by record id."""
        if query.limit <= 0:
            # To MongoDB a limit of 0 means no limit.
            return []
        found = (
            self._collection().find(_conditions(query)).sort("_id", DESCENDING).limit(query.limit)
        )
        return [
            LogRecord(
                id=document["_id"],
                time=_EPOCH + document["time_us"] * _MICROSECOND,
                level=Level(document["level"]),
                event=document["event"],
                message=document["message"],
                fields={key: _plain(child) for key, child in document["fields"].items()},
                event_id=document["event_id"],
                app=document["app"],
                rooms=tuple(document["rooms"]),
                recipients=tuple(document["recipients"]),
            )
            for document in found
        ]


def _encode(record: LogRecord) -> bytes:
    _check_depth(record.fields)
    document: Document = {
        "_id": record.id,
        "time": record.time,
        # A BSON date ends at milliseconds.
        "time_us": _microseconds(record.time),
        "level": int(record.level),
        "event": record.event,
        "message": record.message,
        "fields": record.fields,
        "event_id": record.event_id,
        "app": record.app,
        "rooms": list(record.rooms),
        "recipients": list(record.recipients),
    }
    encoded = bson.encode(document)
    if len(encoded) > _MAX_BYTES:
        raise ValueError(f"it is {len(encoded)} bytes long, and {_MAX_BYTES} is the most")
    return encoded


def _check_depth(fields: JsonValue) -> None:
    """Raise ``ValueError`` for what the server would refuse together with its whole batch."""
    level = [fields]
    for _ in range(_MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {_MAX_DEPTH} levels")


def _children(value: JsonValue) -> list[JsonValue]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inner if isinstance(child, (dict, list))]


def _conditions(query: LogQuery) -> dict[str, Condition]:
    conditions: dict[str, Condition] = {}
    exact = {
        "app": query.app,
        "event": query.event,
        "event_id": query.event_id,
        "rooms": query.room,
    }
    for key, value in exact.items():
        if value is not None:
            conditions[key] = value
    times: dict[str, str | int] = {}
    if query.since is not None:
        times["$gte"] = _microseconds(query.since)
    if query.until is not None:
        times["$lt"] = _microseconds(query.until)
    if times:
        conditions["time_us"] = times
    if query.before is not None:
        conditions["_id"] = {"$lt": query.before}
    return conditions


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _plain(value: JsonValue | DBRef) -> JsonValue:
    """Return ``value`` as it was logged: PyMongo reads ``$ref`` and ``$id`` as a link."""
    if isinstance(value, DBRef):
        return _plain(dict(value.as_doc()))
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value
