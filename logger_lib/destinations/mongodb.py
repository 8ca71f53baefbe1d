"""The ``mongodb`` destination: one document a record, in a collection that every host writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NotRequired, Self, TypeAlias, TypedDict

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.destinations.mongodb_documents import Document, encode
from logger_lib.destinations.mongodb_indexes import Indexes
from logger_lib.destinations.mongodb_reader import MongoReader
from logger_lib.errors import SettingMissing
from logger_lib.logger import LogReader
from logger_lib.pipeline.limits import DEFAULT_LIMITS, Limits
from logger_lib.record import LogRecord
from logger_lib.refusals import raise_refusals, split_writable
from logger_lib.spool.spool import SpoolPlace

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


class WriteError(TypedDict):
    """What the server says of a document that it did not write."""

    index: int
    code: int
    errmsg: str
    keyPattern: NotRequired[dict[str, int]]


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
# What tells of the document: a bad value or type, an overflow, invalid BSON, names of fields, a
# validator, an index over two arrays, its size, no place on the globe, its key's size
# (error_codes.yml of MongoDB). All else may pass, or be mended by an operator: no primary, a lock,
# a full disk, writes that are blocked.
_OF_DOCUMENT = frozenset({2, 9, 14, 15, 22, 52, 53, 55, 56, 57, 121, 171, 10334, 16755, 17280})


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
        self._indexes = Indexes(self._collection, keep, self._notice, limits.longest_pause)
        self._sink = _MongoSink(self._collection, self._indexes)
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

    @property
    def index_failures(self) -> int:
        """How often an index could not be made: reading is slow then, or old records stay."""
        return self._indexes.failures

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
    def __init__(self, collection: Callable[[], Collection[Document]], indexes: Indexes) -> None:
        self._collection = collection
        self._indexes = indexes

    def prepare(self) -> None:
        """Make the indexes; what the server refuses of them is no reason not to write."""
        self._indexes.make()

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch unordered; a record that is already there counts as written."""
        # Each alone first: one document that BSON cannot hold makes PyMongo store none.
        writable, refusals = split_writable(batch, encode)
        refused = self._insert([document for _, document in writable])
        self._indexes.make_again()
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
            # From None: the original's text holds the documents.
            if error.details.get("writeConcernErrors"):
                raise ConnectionError("MongoDB did not confirm the write") from None
            said: list[WriteError] = error.details["writeErrors"]
            refused = [each for each in said if not _is_stored(each)]
            for each in refused:
                if each["code"] not in (*_OF_DOCUMENT, _DUPLICATE_KEY):
                    raise ConnectionError(
                        f"MongoDB did not write: {_reason(each)} (code {each['code']})"
                    ) from None
            return {each["index"]: _reason(each) for each in refused}
        return {}


def _is_stored(error: WriteError) -> bool:
    """Say whether the document is there: its id is, and not what an operator's index forbids."""
    if error["code"] != _DUPLICATE_KEY:
        return False
    pattern = error.get("keyPattern")
    return "_id_" in error["errmsg"] if pattern is None else pattern == {"_id": 1}


def _reason(error: WriteError) -> str:
    # What follows is the value, which may be anybody's name.
    return error["errmsg"].partition(" dup key:")[0]
