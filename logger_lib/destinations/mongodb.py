"""The ``mongodb`` destination: one document a record, in a collection that every host writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Self, TypeAlias, TypedDict

from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.destinations.mongodb_documents import Document, encode
from logger_lib.destinations.mongodb_reader import INDEXES, MongoReader
from logger_lib.errors import SettingMissing
from logger_lib.limits import DEFAULT_LIMITS, Limits
from logger_lib.logger import LogReader
from logger_lib.record import LogRecord
from logger_lib.refusals import raise_refusals, split_writable
from logger_lib.spool import SpoolPlace

Source: TypeAlias = "Collection[Document] | Callable[[], Collection[Document]]"

COLLECTION = "event_log"
DATABASE = "herald"
"""Where the URI names none."""
TIMEOUT_MS = 4000
"""For each of a client's waits: PyMongo would wait 30 s for a server that is down."""


class ClientOptions(TypedDict):
    """Options of PyMongo's client."""

    serverSelectionTimeoutMS: int
    connectTimeoutMS: int
    socketTimeoutMS: int
    retryWrites: bool


CLIENT_OPTIONS: ClientOptions = {
    "serverSelectionTimeoutMS": TIMEOUT_MS,
    "connectTimeoutMS": TIMEOUT_MS,
    "socketTimeoutMS": TIMEOUT_MS,
    # The pipeline tries again, for as long as it takes: another one within would double that.
    "retryWrites": False,
}

# What is confirmed outlives any one server: the majority has it in its journal. A server alone
# takes that for itself.
_CONFIRMED = WriteConcern(w="majority", j=True, wtimeout=TIMEOUT_MS)
_DUPLICATE_KEY = 11000
# What tells of the server's state and not of the document: shutting down, stepping down, no
# primary, out of reach, out of time, a conflict (error_codes.yml of MongoDB; the retryable writes
# specification has most of them).
_PASSING = frozenset(
    {6, 7, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 16500}
)
_RETENTION = "retention"
"""The name of the index by which MongoDB deletes what is old."""


class MongoLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that write to a collection, and a reader of it.

    ``source`` is the collection, of PyMongo or of Flask-PyMongo (``mongo.db["event_log"]``), or a
    function that returns it, for programs that connect later or fork. MongoDB deletes records once
    they are older than ``keep``; None: it keeps them for ever.
    """

    durable = True

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits = DEFAULT_LIMITS,
        spool: SpoolPlace | None = None,
        keep: timedelta | None = None,
    ) -> None:
        super().__init__("mongodb", limits, spool)
        self._collection = (lambda: source) if isinstance(source, Collection) else source
        self._sink = _MongoSink(self._collection, keep)
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
    return MongoClient(uri, appname="herald", **CLIENT_OPTIONS)


class _MongoSink(Sink):
    def __init__(
        self, collection: Callable[[], Collection[Document]], keep: timedelta | None
    ) -> None:
        self._collection = collection
        self._keep = keep

    def prepare(self) -> None:
        """Make the indexes of the reader's queries, and that by which old records are deleted."""
        collection = self._collection()
        collection.create_indexes(INDEXES)
        found = collection.index_information().get(_RETENTION)
        seconds = None if self._keep is None else int(self._keep.total_seconds())
        if seconds is None:
            if found is not None:
                collection.drop_index(_RETENTION)
        elif found is None:
            collection.create_index(
                [("time", ASCENDING)], name=_RETENTION, expireAfterSeconds=seconds
            )
        elif found.get("expireAfterSeconds") != seconds:
            changed = {"name": _RETENTION, "expireAfterSeconds": seconds}
            collection.database.command("collMod", collection.name, index=changed)

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch unordered; a record that is already there counts as written."""
        # Each alone first: one document that BSON cannot hold makes PyMongo store none.
        writable, refusals = split_writable(batch, encode)
        refused = self._insert([document for _, document in writable])
        refusals += [(writable[index][0], message) for index, message in refused.items()]
        raise_refusals(refusals)

    def _insert(self, documents: list[RawBSONDocument]) -> dict[int, str]:
        """Insert and return the server's reason for each document that it refused."""
        if not documents:
            return {}
        try:
            confirmed = self._collection().with_options(write_concern=_CONFIRMED)
            confirmed.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            if error.details.get("writeConcernErrors") or any(
                refusal["code"] in _PASSING for refusal in refused
            ):
                # From None: the original's text holds the documents.
                raise ConnectionError("MongoDB did not confirm the write") from None
            return {
                int(refusal["index"]): str(refusal["errmsg"])
                for refusal in refused
                if refusal["code"] != _DUPLICATE_KEY
            }
        return {}
