"""What was written can be read back, record for record, from every destination that is readable."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo import MongoClient

from logger_lib import (
    DestinationNotReadable,
    Failure,
    Frame,
    JsonObject,
    Level,
    LoggerFactory,
    LogQuery,
    LogRecord,
    SettingMissing,
    event_record,
    load_factory_class,
    make_factories,
)
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.memory import MemoryLoggerFactory
from logger_lib.destinations.mongodb import MongoLoggerFactory
from logger_lib.destinations.mongodb_documents import Document
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import uuid7_at
from tests.logger_lib.conftest import Place, read_all, record
from tests.services.mongodb import MongoService

NOON = datetime(2026, 5, 25, 12, 0, 0, 123456, tzinfo=UTC)
AWKWARD: JsonObject = {
    "$set": {"a.b": 1, "": None},
    "link": {"$ref": "orders", "$id": 7, "$db": "x", "list": [{"$ref": "a", "$id": "b"}]},
    "numbers": [0, -1, 2**53 + 1, 2**63 - 1, 1.5, True],
    "text": "é — 😀 \x00 \x1b[31m \u2028",
    "deep": {"a": {"b": [[[{"c": [{}]}]]]}},
}


def written(place: Place, *records: LogRecord) -> None:
    logger = place.factory.create_logger("test")
    for each in records:
        logger.log(each)
    logger.close()
    assert place.factory.counters.written == len(records)


def test_a_record_is_read_back_equal(readable_place: Place) -> None:
    """Every field comes back as it went in: microseconds, ``$`` and ``.`` in keys, NUL in text."""
    whole = LogRecord(
        event="order.paid — ünï😀",
        message="paymentId: 9b93",
        level=Level.WARNING,
        time=NOON,
        fields=AWKWARD,
        event_id="0190-event",
        app="shop",
        rooms=("room one", "😀"),
        recipients=("sid1", "sid2"),
        failure=Failure("KeyError", (Frame("shop/orders.py", 7, "pay"), Frame("a.py", 1, "f"))),
    )
    written(readable_place, whole, record())
    assert read_all(readable_place.factory.create_reader())[0] == whole


def test_queries(readable_place: Place) -> None:
    """Each condition of a query holds alone and together, newest first, page by page."""
    records = [
        LogRecord(
            event="Order.paid" if number % 2 else "order.paid",
            message=str(number),
            id=uuid7_at(NOON + timedelta(milliseconds=number)),
            time=NOON + timedelta(milliseconds=number),
            event_id=f"event{number // 2}",
            app=f"app{number % 3}",
            rooms=("all", f"room{number % 4}"),
        )
        for number in range(12)
    ]
    written(readable_place, *records)
    reader = readable_place.factory.create_reader()

    def found(query: LogQuery) -> list[int]:
        return [int(each.message) for each in reader.read(query)]

    assert found(LogQuery()) == list(range(11, -1, -1))
    assert found(LogQuery(limit=3)) == [11, 10, 9]
    assert found(LogQuery(limit=0)) == []
    assert found(LogQuery(limit=2, before=records[9].id)) == [8, 7]
    assert found(LogQuery(event="order.paid")) == [10, 8, 6, 4, 2, 0]
    assert found(LogQuery(event_id="event3")) == [7, 6]
    assert found(LogQuery(app="app1")) == [10, 7, 4, 1]
    assert found(LogQuery(room="room3")) == [11, 7, 3]
    assert found(LogQuery(room="room")) == []
    assert found(LogQuery(room="room3", limit=1, before=records[11].id)) == [7]
    assert found(LogQuery(since=records[4].time, until=records[6].time)) == [5, 4]
    assert found(LogQuery(room="all", app="app0", event="order.paid", until=NOON)) == []
    assert found(LogQuery(room="all", app="app0", event="Order.paid")) == [9, 3]


POISON: dict[str, Callable[[], JsonObject]] = {
    "an integer beyond 64 bits": lambda: {"n": 2**64},
    "NUL in a key": lambda: {"a\x00b": 1},
    "half a character": lambda: {"s": "\ud800"},
    "a hundred levels": lambda: nested(100),
    "ten thousand levels": lambda: nested(10_000),
    "17 MB": lambda: {"s": "x" * 17_000_000},
}


def nested(levels: int) -> JsonObject:
    value: JsonObject = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("kind", POISON)
def test_one_record_that_mongodb_cannot_hold(
    mongodb: Place, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It alone is counted as failed, stderr says why, and the rest of its batch is stored."""
    logger = mongodb.factory.create_logger("test")
    logger.log(record("before"))
    logger.log(LogRecord(event="poison", message="m", fields=POISON[kind]()))
    logger.log(record("after"))
    assert not logger.flush(10)
    logger.close()
    assert mongodb.arrived() == ["before", "after"]
    assert (mongodb.factory.counters.written, mongodb.factory.counters.failed) == (2, 1)
    assert "'mongodb' cannot write" in capfd.readouterr().err


@pytest.fixture
def mongodb(mongo: MongoService) -> Iterator[Place]:
    factory = MongoLoggerFactory.from_settings({"MONGO_URI": mongo.uri})
    with MongoClient[Document](mongo.uri) as client:
        client.drop_database(mongo.database)
    reader = factory.create_reader()
    yield Place(factory, lambda: [found.event for found in read_all(reader)])
    factory.close()


def test_mongodb_documents_and_indexes(mongodb: Place, mongo: MongoService) -> None:
    """A document holds the client's data as one sub-document and a date; the indexes are made."""
    entry = event_record("order.created", {"orderId": "1", "$a.b": 2}, event_id="e", time=NOON)
    written(mongodb, entry)
    with MongoClient[Document](mongo.uri) as client:
        collection = client[mongo.database]["event_log"]
        document = collection.find_one({"_id": entry.id})
        indexes = collection.index_information().values()
    assert document is not None
    assert document["fields"] == {"orderId": "1", "$a.b": 2}
    assert document["time"] == NOON.replace(microsecond=123000, tzinfo=None)
    first_keys = {index["key"][0][0] for index in indexes}
    assert first_keys == {"_id", "terms", "event_id", "app"}


@pytest.mark.parametrize("place", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_one_row_that_sql_cannot_hold(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """It alone is counted as failed, stderr says why, and the rest of its batch is stored."""
    logger = place.factory.create_logger("test")
    deep = LogRecord(event="poison", message="m", fields=nested(10_000))
    too_long = LogRecord(event="e", message="m", id="i" * 40)
    for each in (record("before"), deep, too_long, record("after")):
        logger.log(each)
    assert not logger.flush(10)
    logger.close()
    # SQLite takes text of any length.
    assert isinstance(place.factory, SqlLoggerFactory)
    refused = 1 if place.factory._engine.dialect.name == "sqlite" else 2
    assert [name for name in place.arrived() if name != "e"] == ["before", "after"]
    assert place.factory.counters.failed == refused
    assert "'sql' cannot write" in capfd.readouterr().err


@pytest.mark.parametrize("place", ["mariadb", "postgresql"], indirect=True)
def test_sql_says_no_value_of_a_row(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """What stderr says of a failed write holds none of the data."""
    logger = place.factory.create_logger("test")
    logger.log(LogRecord(event="e", message="secret", id="i" * 40, fields={"card": "secret"}))
    logger.close()
    assert "secret" not in capfd.readouterr().err


@pytest.mark.parametrize("place", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_what_no_column_of_text_can_hold(place: Place) -> None:
    """NUL and half characters, which keep no record out of SQL, become one U+FFFD each."""
    name = "a\x00\ud800" + "\x00" * 197
    written(place, record(event=name, message="orderId: a\x00b\ud800"))
    (stored,) = place.factory.create_reader().read(LogQuery(event=name))
    assert stored.message == "orderId: a\ufffdb\ufffd"
    assert stored.event == "a" + "\ufffd" * 199


@pytest.mark.parametrize("name", ["\u202e" * 200, "\x1b[31m", "line\nline"])
def test_a_hostile_name_is_found_by_itself(readable_place: Place, name: str) -> None:
    """An event is stored under the name that it came with: escaping is for where it is printed."""
    written(readable_place, record(event=name, message=name), record("other"))
    (stored,) = readable_place.factory.create_reader().read(LogQuery(event=name))
    assert (stored.event, stored.message) == (name, name)


def test_memory_keeps_the_newest() -> None:
    """The oldest record gives way when the store is full."""
    factory = MemoryLoggerFactory(capacity=2)
    logger = factory.create_logger("test")
    for name in ("1", "2", "3"):
        logger.log(record(name))
    assert [each.event for each in factory.records] == ["2", "3"]


def test_memory_is_bounded_in_bytes() -> None:
    """Large records make the older ones give way before there are too many of them."""
    factory = MemoryLoggerFactory(max_bytes=100_000)
    logger = factory.create_logger("test")
    for name in ("1", "2", "3"):
        logger.log(record(name, large="x" * 40_000))
    assert [each.event for each in factory.records] == ["2", "3"]
    logger.log(record("too large", large="x" * 200_000))
    assert factory.records == []


def test_write_only_destinations_say_so() -> None:
    """Asking a destination that cannot be read for its reader raises the named error."""
    with pytest.raises(DestinationNotReadable, match="ConsoleLoggerFactory"):
        ConsoleLoggerFactory(1).create_reader()


@pytest.mark.parametrize(("name", "setting"), [("mongodb", "MONGO_URI"), ("sentry", "SENTRY_DSN")])
def test_a_missing_setting_is_named(name: str, setting: str) -> None:
    """A destination chosen without the setting that it needs names the setting."""
    with pytest.raises(SettingMissing, match=setting):
        make_factories([name], {})


@pytest.mark.parametrize("name", ["logging", "console", "memory", "sql"])
def test_the_others_need_no_setting(name: str, tmp_path: Path) -> None:
    """These destinations can be chosen with nothing set but a home for files."""
    factory: LoggerFactory = load_factory_class(name).from_settings({"HERALD_HOME": str(tmp_path)})
    factory.create_logger("test").close()
    factory.close()
