"""What a tail returns, on a log that is written while it looks."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event as listening

from logger_lib import LogQuery, LogReader, LogRecord, ReadTooLong, event_record
from logger_lib.destinations import sql_reader
from logger_lib.destinations.memory import MemoryLoggerFactory
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import uuid7_at
from logger_lib.term_reader import READ_SECONDS
from webapp.errors import SearchTooLong
from webapp.events.event_log import EventLog, Search, StoredEvent
from webapp.events.tail import Tail

NOW = datetime(2026, 5, 25, 12, tzinfo=UTC)
ANY = Search(app_id="shop")


def published(name: str, seconds: float, word: str = "") -> LogRecord:
    """Return the record of an event that a host has published ``seconds`` after ``NOW``."""
    at = NOW + timedelta(seconds=seconds)
    return event_record(name, {"a": word}, event_id=uuid7_at(at), time=at, app="shop")


def names(events: list[StoredEvent]) -> list[str]:
    return [each.record.event for each in events]


@dataclass(slots=True)
class Busy(LogReader):
    """A reader after each of whose reads another event is logged."""

    reader: LogReader
    log: Callable[[LogRecord], None]
    coming: Iterator[LogRecord]
    asked: list[LogQuery] = field(default_factory=list)

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Read, and log the next."""
        self.asked.append(query)
        found = self.reader.read(query)
        for record in self.coming:
            self.log(record)
            break
        return found


@dataclass(slots=True)
class Slow(LogReader):
    """A reader some of whose reads, by their number, come nowhere."""

    reader: LogReader
    slow: Collection[int]
    done: int = 0

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Read, or raise."""
        self.done += 1
        if self.done - 1 in self.slow:
            raise ReadTooLong(READ_SECONDS)
        return self.reader.read(query)


def test_what_comes_between_two_reads_is_returned() -> None:
    """Whatever is logged while the tail begins is new, and returned once."""
    factory = MemoryLoggerFactory()
    logger = factory.create_logger("test")
    for number in range(5):
        logger.log(published(f"old{number}", number - 10))
    coming = iter([published(f"new{number}", number / 10) for number in range(6)])
    log = EventLog(Busy(factory.create_reader(), logger.log, coming))
    tail = Tail(log, ANY, NOW.timestamp)
    returned = names(tail.last(2))
    for _ in range(8):
        returned += names(tail.new())
    assert returned == ["old3", "old4", *(f"new{number}" for number in range(6))]


def test_a_search_that_takes_too_long_at_the_start() -> None:
    """What was found in time is returned, and what comes is returned later."""
    factory = MemoryLoggerFactory()
    logger = factory.create_logger("test")
    for number in range(5):
        logger.log(published(f"old{number}", 10 * number - 100))
    tail = Tail(EventLog(Slow(factory.create_reader(), {0})), ANY, NOW.timestamp)
    assert tail.last(2) == []
    tail = Tail(EventLog(Slow(factory.create_reader(), {1, 2})), ANY, NOW.timestamp)
    assert names(tail.last(2)) == ["old3", "old4"]
    with pytest.raises(SearchTooLong):
        tail.new()
    logger.log(published("new", 1))
    assert names(tail.new()) == ["new"]


@pytest.mark.parametrize("ahead", [60, 3600])
def test_a_host_whose_clock_is_ahead_hides_nobody(ahead: int) -> None:
    """Its events are returned once, and so are those of the hosts whose clocks are right."""
    factory = MemoryLoggerFactory()
    logger = factory.create_logger("test")
    clock = NOW.timestamp()
    tail = Tail(EventLog(factory.create_reader()), ANY, lambda: clock)
    logger.log(published("ahead1", ahead))
    logger.log(published("late", -20))
    assert names(tail.last(10)) == ["late", "ahead1"]
    returned: list[str] = []
    for second in range(1, 5):
        clock += 1
        logger.log(published(f"right{second}", second - 0.5))
        logger.log(published(f"ahead{second + 1}", ahead + second))
        returned += names(tail.new())
    assert returned == [
        name for second in range(1, 5) for name in (f"right{second}", f"ahead{second + 1}")
    ]
    assert tail.new() == []


def test_a_look_goes_no_further_back_than_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two filters rarely meet, a look does not walk through the log for them."""
    monkeypatch.setattr(sql_reader, "STEP", 10)
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(tmp_path)})
    factory.prepare()
    words = ("red", "blue")
    factory.sink.write([published("a", number - 1000, words[number % 2]) for number in range(1000)])
    search = Search(app_id="shop", event="a", words=words)
    tail = Tail(EventLog(factory.create_reader()), search, NOW.timestamp)
    assert tail.last(10) == []
    sent: list[str] = []
    listening.listen(
        factory._engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement),
    )
    assert tail.new() == []
    factory.close()
    assert len(sent) < 20
