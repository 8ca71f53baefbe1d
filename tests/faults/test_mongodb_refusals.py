"""What MongoDB refuses of a batch that it answers: documents for good, or for now, and indexes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from logger_lib import JsonValue, Limits, Logger, LogRecord, SpoolPlace, inline, uuid7
from logger_lib.destinations.mongodb import MongoLoggerFactory
from logger_lib.destinations.mongodb_documents import Document
from tests.faults.test_poison import dead_letters
from tests.services.herald import wait_until
from tests.services.mongod import DATABASE, MongoServer

SECONDS = 20.0
QUICK = Limits(max_delay=60, first_pause=0.01, longest_pause=0.05, deadline=SECONDS, loss_seconds=0)
"""One batch a flush, and what was refused is tried again soon."""
NOT_AUTHORIZED = 13
NOWHERE: JsonValue = {"type": "Point", "coordinates": [500, 500]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture
def collection(server: MongoServer) -> Iterator[Collection[Document]]:
    """A collection of the test's own, which is not there yet."""
    client: MongoClient[Document] = MongoClient(server.uri, serverMonitoringMode="poll")
    with client:
        # Its threads begin with the first command, and are no test's.
        client.admin.command("ping")
        yield client[DATABASE][uuid7()]
    server.heal()


def factory_of(
    collection: Collection[Document], home: Path, keep: timedelta | None = None
) -> MongoLoggerFactory:
    place = SpoolPlace(home, 64 << 20, inline)
    return MongoLoggerFactory(collection, limits=QUICK, spool=place, keep=keep)


def log(logger: Logger, *values: JsonValue) -> None:
    """Log a record with each of ``values``, all in one batch, and have them kept."""
    for value in values:
        logger.log(LogRecord(event="e", message="m", fields={"value": value}))
    assert logger.flush(SECONDS)


def values_in(collection: Collection[Document]) -> list[JsonValue]:
    return [document["fields"]["value"] for document in collection.find().sort("_id", 1)]


def test_an_error_that_is_not_known_to_be_the_documents(
    collection: Collection[Document], home: Path
) -> None:
    """A code that is no document's for sure refuses nothing: all is kept until it has passed."""
    # MongoDB's own for this is 16755, which is.
    collection.create_index([("fields.value", "2dsphere")], name="operators")
    factory = factory_of(collection, home)
    logger = factory.create_logger("test")
    log(logger, None, NOWHERE)
    assert factory.counters.in_spool == 2
    collection.drop_index("operators")
    wait_until(lambda: factory.counters.in_spool == 0, "the end of the spool", SECONDS)
    logger.close()
    assert values_in(collection) == [None, NOWHERE]
    assert (factory.counters.written, factory.counters.dead) == (2, 0)


def test_documents_that_an_operator_forbids(
    collection: Collection[Document], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a validator or a unique index refuses is a dead letter, and its value is told nobody."""
    collection.database.create_collection(
        collection.name, validator={"fields.value": {"$ne": "forbidden"}}
    )
    collection.create_index("fields.value", name="operators", unique=True)
    factory = factory_of(collection, home)
    logger = factory.create_logger("test")
    log(logger, "once", "forbidden", "secret", "secret", "last")
    logger.close()
    assert values_in(collection) == ["once", "secret", "last"]
    assert (factory.counters.written, factory.counters.dead) == (3, 2)
    reasons = sorted(str(letter["reason"]) for letter in dead_letters(home, "mongodb"))
    assert "failed validation" in reasons[0]
    assert "operators" in reasons[1]
    assert "secret" not in "".join(reasons) + capfd.readouterr().err


def test_a_record_that_is_there_counts_as_written(
    collection: Collection[Document], home: Path
) -> None:
    """Where its id is there already it is the same record, and no dead letter."""
    factory = factory_of(collection, home)
    logger = factory.create_logger("test")
    same = LogRecord(event="e", message="m", fields={"value": 1})
    for _ in range(2):
        logger.log(same)
        assert logger.flush(SECONDS)
    logger.close()
    assert values_in(collection) == [1]
    assert (factory.counters.written, factory.counters.dead) == (2, 0)


@pytest.mark.parametrize("command", ["collMod", "createIndexes", "listIndexes"])
def test_indexes_that_cannot_be_made(
    command: str,
    server: MongoServer,
    collection: Collection[Document],
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A user who may only write does: it is said once, and they are made when they can be."""
    if command == "collMod":
        factory_of(collection, home, timedelta(days=30)).prepare()
    server.fail(None, [command], errorCode=NOT_AUTHORIZED)
    factory = factory_of(collection, home, timedelta(days=7))
    logger = factory.create_logger("test")
    log(logger, 1)
    assert (factory.counters.written, factory.counters.spooled) == (1, 0)

    def failed_again() -> bool:
        log(logger, 1)
        return factory.index_failures > 1

    wait_until(failed_again, "the second try", SECONDS)
    server.heal()

    def made() -> bool:
        log(logger, 1)
        kept = collection.index_information().get("retention", {}).get("expireAfterSeconds")
        return bool(kept == timedelta(days=7).total_seconds())

    wait_until(made, "the index of the retention", SECONDS)
    failures = factory.index_failures
    log(logger, 1)
    logger.close()
    assert factory.index_failures == failures
    assert {"terms", "event_id", "app"} < collection.index_information().keys()
    assert factory.counters.spooled == 0
    told = capfd.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "Herald logger 'mongodb' cannot make its indexes",
        "Herald logger 'mongodb' has its indexes",
    ]
