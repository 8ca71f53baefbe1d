"""Large records are read and deleted in parts that are bounded in bytes."""

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import BuiltinFunctionType, FrameType

import pytest
from sqlalchemy import text

from logger_lib import (
    JsonObject,
    LoggerFactory,
    LogQuery,
    LogRecord,
    event_record,
    term_reader,
)
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import uuid7_at
from tests.logger_lib.conftest import Place, read_all
from webapp.events.retention import old_events
from webapp.retention import Retention

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)
COUNT = 10
MANY: JsonObject = {"orderId": "x1", "lines": [{} for _ in range(65_536)]}
"""A quarter of a MiB of JSON, and four in memory."""
MEMORY = 30 * 1_048_576
"""All of them would be 45 MiB; what a server sends in one answer, as bytes, is a part of this."""

SERVED = ["sqlite", "mariadb", "postgresql", "mongodb"]
SQL = ["sqlite", "mariadb", "postgresql"]


def log(factory: LoggerFactory, count: int, fields: JsonObject, at: datetime = NOON) -> None:
    logger = factory.create_logger("test")
    for number in range(count):
        moment = at + timedelta(seconds=number)
        logger.log(event_record("a", fields, event_id=uuid7_at(moment), time=moment, app="shop"))
        assert logger.flush(10)
    logger.close()


@contextmanager
def traced_memory() -> Iterator[Callable[[], int]]:
    """Yield what tells how many bytes there were at the most since then."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", SERVED, indirect=True)
def test_a_part_is_in_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many large records are asked for, a few of them are in memory at a time."""
    # To take note of each object takes longer than a read may.
    monkeypatch.setattr(term_reader, "READ_SECONDS", 60.0)
    log(place.factory, COUNT, MANY)
    reader = place.factory.create_reader()
    for query in (LogQuery(app="shop"), LogQuery(event="a")):
        with traced_memory() as most:
            assert sum(1 for _ in reader.stream(query)) == COUNT
            assert most() < MEMORY, query


@pytest.mark.parametrize("place", SQL, indirect=True)
def test_long_texts_are_read_in_parts(place: Place) -> None:
    """Texts take in memory what they take on disk; short ones come between them in their order."""
    log(place.factory, 16, {"text": "x" * 1_000_000})
    log(place.factory, 3, {"text": "short"}, at=NOON + timedelta(seconds=7.5))
    reader = place.factory.create_reader()
    with traced_memory() as most:
        ids = [record.id for record in reader.stream(LogQuery(app="shop"))]
        assert most() < 8 * 1_048_576
    assert len(ids) == 19
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("place", SERVED, indirect=True)
def test_others_have_their_turn(place: Place) -> None:
    """An event loop goes on after each record of more than a few bytes, and each few small ones."""
    large: JsonObject = {"text": "x" * 70_000}
    log(place.factory, 5, large)
    log(place.factory, 130, {}, at=NOON - timedelta(1))
    reader = place.factory.create_reader()
    turns: list[int] = []
    found: list[LogRecord] = []

    def profile(_frame: FrameType, event: str, called: BuiltinFunctionType) -> None:
        if event == "c_call" and called is time.sleep:
            turns.append(len(found))

    sys.setprofile(profile)
    try:
        for record in reader.stream(LogQuery(app="shop", limit=200)):
            found.append(record)
    finally:
        sys.setprofile(None)
    assert len(found) == 135
    assert turns == [1, 2, 3, 4, 5, 69, 133]


@pytest.mark.parametrize("place", SQL, indirect=True)
def test_large_records_are_deleted_a_few_at_a_time(place: Place) -> None:
    """A transaction of retention reads about a MiB, however large the oldest are; all go."""
    assert isinstance(place.factory, SqlLoggerFactory)
    log(place.factory, 5, {"text": "x" * 400_000})
    log(place.factory, 1, {"text": "x" * 2_000_000}, at=NOON + timedelta(1))
    moment = NOON + timedelta(2)
    deleted = [place.factory.delete_before(moment, 100) for _ in range(5)]
    assert deleted == [2, 2, 1, 1, 0]
    log(place.factory, 5, {"text": "x" * 400_000})
    retention = Retention(old_events(place.factory.delete_before, days=1), "events")
    retention.delete_old()
    assert (retention.deleted, read_all(place.factory.create_reader())) == (5, [])


@pytest.mark.parametrize("place", SQL, indirect=True)
def test_a_row_that_cannot_be_read_is_deleted(place: Place) -> None:
    """What somebody else has damaged does not keep for ever what is younger."""
    assert isinstance(place.factory, SqlLoggerFactory)
    log(place.factory, 3, {})
    with place.factory._engine.begin() as connection:
        connection.execute(text("UPDATE event_log SET fields = '{', level = 7"))
    assert place.factory.delete_before(NOON + timedelta(1), 100) == 3
    log(place.factory, 1, {})
    assert [each.event for each in place.factory.create_reader().stream(LogQuery(app="shop"))] == [
        "a"
    ]
