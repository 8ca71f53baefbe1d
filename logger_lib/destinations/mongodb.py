"""The ``mongodb`` destination: one document a record, in a collection that every host writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self, TypeAlias, TypedDict

import bson
from bson.dbref import DBRef
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import DESCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from logger_lib.batching import DEFAULT_LIMITS, BatchedLoggerFactory, Limits, Sink
from logger_lib.errors import SettingMissing
from logger_lib.failure import Failure, FailureJson
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.logger import LogQuery, LogReader
from logger_lib.record import Level, LogRecord, microseconds_of, time_of
from logger_lib.refusals import raise_refusals, split_writable


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
    failure: FailureJson | None


Source: TypeAlias = "Collection[Document] | Callable[[], Collection[Document]]"
Condition: TypeAlias = "str | dict[str, str | int]"

COLLECTION = "event_log"
DATABASE = "herald"
"""Where the URI names none."""
TIMEOUT_MS = 4000
"""For each of a client's waits: PyMongo would wait 30 s for a server that is down."""
_DUPLICATE_KEY = 11000
_MAX_BYTES = 16 * 1024 * 1024
# MongoDB takes 100 levels in all; the document and the command around it take some.
_MAX_DEPTH = 90

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
        client = connect(uri)
        factory = cls(client.get_default_database(DATABASE)[COLLECTION])
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


def connect(uri: str) -> MongoClient[Document]:
    """Return a client of ``uri`` none of whose waits is longer than ``TIMEOUT_MS``."""
    return MongoClient(
        uri,
        serverSelectionTimeoutMS=TIMEOUT_MS,
        connectTimeoutMS=TIMEOUT_MS,
        socketTimeoutMS=TIMEOUT_MS,
        appname="herald",
    )


class _MongoSink(Sink):
    def __init__(self, collection: Callable[[], Collection[Document]]) -> None:
        self._collection = collection

    def prepare(self) -> None:
        """Make the indexes of the reader's queries."""
        self._collection().create_indexes(_INDEXES)

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch unordered; a record that is already there counts as written."""
        # Each alone first: one document that BSON cannot hold makes PyMongo store none.
        writable, refusals = split_writable(batch, _encode)
        refused = self._insert([document for _, document in writable])
        refusals += [(writable[index][0], message) for index, message in refused.items()]
        raise_refusals(refusals)

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
                time=time_of(document["time_us"]),
                level=Level(document["level"]),
                event=document["event"],
                message=document["message"],
                fields={key: _plain(child) for key, child in document["fields"].items()},
                event_id=document["event_id"],
                app=document["app"],
                rooms=tuple(document["rooms"]),
                recipients=tuple(document["recipients"]),
                failure=Failure.from_json(stored) if (stored := document.get("failure")) else None,
            )
            for document in found
        ]


def _encode(record: LogRecord) -> RawBSONDocument:
    _check_depth(record.fields)
    document: Document = {
        "_id": record.id,
        "time": record.time,
        # A BSON date ends at milliseconds.
        "time_us": microseconds_of(record.time),
        "level": int(record.level),
        "event": record.event,
        "message": record.message,
        "fields": record.fields,
        "event_id": record.event_id,
        "app": record.app,
        "rooms": list(record.rooms),
        "recipients": list(record.recipients),
        "failure": record.failure.to_json() if record.failure else None,
    }
    try:
        encoded = bson.encode(document)
    except BSONError as error:
        raise ValueError(f"BSON cannot hold it: {error}") from error
    if len(encoded) > _MAX_BYTES:
        raise ValueError(f"it is {len(encoded)} bytes long, and {_MAX_BYTES} is the most")
    return RawBSONDocument(encoded)


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
        times["$gte"] = microseconds_of(query.since)
    if query.until is not None:
        times["$lt"] = microseconds_of(query.until)
    if times:
        conditions["time_us"] = times
    if query.before is not None:
        conditions["_id"] = {"$lt": query.before}
    return conditions


def _plain(value: JsonValue | DBRef) -> JsonValue:
    """Return ``value`` as it was logged: PyMongo reads ``$ref`` and ``$id`` as a link."""
    if isinstance(value, DBRef):
        return _plain(dict(value.as_doc()))
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value
