"""Records that their destination can never hold, in batches with good ones."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from logger_lib import JsonValue, SpoolPlace
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.offload import inline
from tests.logger_lib.conftest import read_all, record
from tests.logger_lib.gate import Gate, GateFactory
from tests.logger_lib.test_dead_letters import letters_in
from tests.logger_lib.test_spooling import (
    MIB,
    PATIENT,
    QUICK,
    is_conserved,
    log,
    make,
    replayed,
    segments,
)
from tests.services.herald import wait_until

Result = TypeVar("Result")


def test_refused_records_are_dead_letters(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A batch with records that cannot be written is written but for these; flush says yes."""
    factory = make(home, replace(QUICK, max_delay=60))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.refuses = lambda entry: "it is odd" if int(entry.event) % 2 else None
    log(logger, *map(str, range(6)))
    assert logger.flush(10)
    logger.close()
    assert gate.batches == [["0", "2", "4"]]
    assert (factory.counters.written, factory.counters.dead) == (3, 3)
    found = letters_in(home / "dead-letters" / "gate.jsonl")
    assert [letter["reason"] for letter in found] == ["it is odd"] * 3
    assert [event_of(letter["record"]) for letter in found] == ["1", "3", "5"]
    assert "3 refused, the first because it is odd" in capfd.readouterr().err


def event_of(written: JsonValue) -> str:
    assert isinstance(written, dict)
    return str(written["event"])


def test_refused_records_in_the_spool(home: Path) -> None:
    """In what is replayed, too, they alone become dead letters, and block nothing."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "1", "bad", "2")
    assert logger.flush(10)
    gate.refuses = lambda entry: "no" if entry.event == "bad" else None
    gate.error = None
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    assert (factory.counters.written, factory.counters.dead) == (2, 1)
    assert is_conserved(factory.counters)


def test_a_record_that_is_no_json_is_a_dead_letter(home: Path) -> None:
    """What cannot be put into the spool is told and shown, and does not hold up the others."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "1")
    logger.log(record("odd", of=threading.Lock()))  # type: ignore[arg-type]  # as programs do
    log(logger, "2")
    assert logger.flush(10)
    gate.error = None
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    (letter,) = letters_in(home / "dead-letters" / "gate.jsonl")
    assert "event='odd'" in str(letter["record"])
    assert "lock is not JSON" in str(letter["reason"])


def test_a_line_of_another_version_is_a_dead_letter(home: Path) -> None:
    """A line that is whole and is no record is kept for a human, and blocks nothing."""
    spool = SpoolPlace(home, MIB, inline).spool("gate-test")
    spool.append(['{"event": "of the future"}', "[]"])
    spool.close()
    factory = make(home)
    logger = factory.create_logger("test")
    log(logger, "1")
    assert logger.flush(10)
    replayed(factory)
    logger.close()
    assert factory.gate.events == ["1"]
    assert (factory.counters.dead, factory.counters.written) == (2, 1)
    assert is_conserved(factory.counters)
    found = letters_in(home / "dead-letters" / "gate.jsonl")
    assert found[0]["record"] == '{"event": "of the future"}'


class FailingDisk:
    """An offload one of whose calls fails, once it is ``due``, as no thread can be had."""

    def __init__(self, due: Callable[[], bool]) -> None:
        self._due = due
        self._has_failed = False

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Make the call."""
        if self._due() and not self._has_failed:
            self._has_failed = True
            raise RuntimeError("can't start new thread")
        return call()


def join(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_intake_that_dies_is_replaced(home: Path) -> None:
    """What ends its thread costs the record that it was about, and the next starts another."""
    disk = FailingDisk(lambda: bool(segments(home)))
    factory = GateFactory(QUICK, SpoolPlace(home, MIB, disk))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "1")
    logger.log(record("odd", of=threading.Lock()))  # type: ignore[arg-type]  # as programs do
    wait_until(lambda: factory.counters.failed == 1, "the end of the intake")
    join("herald-gate-test-spool")
    log(logger, "2")
    assert logger.flush(10), "the destination hangs, and the disk is well again"
    assert factory.counters.in_spool == 2
    gate.open.set()
    replayed(factory)
    logger.close()
    assert [name for name in gate.events if name != "odd"] == ["1", "2"]
    assert is_conserved(factory.counters)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_delivery_that_dies_is_replaced(home: Path) -> None:
    """So does what ends the other thread, and nobody waits for what cannot come."""
    gate = Gate()
    disk = FailingDisk(lambda: bool(gate.batches))
    factory = GateFactory(replace(QUICK, max_delay=60), SpoolPlace(home, MIB, disk), gate)
    logger = factory.create_logger("test")
    gate.refuses = lambda entry: "no" if entry.event == "bad" else None
    log(logger, "1", "bad")
    assert logger.settle(10)
    assert (factory.counters.written, factory.counters.failed) == (1, 1)
    join("herald-gate-test")
    log(logger, "2")
    assert logger.flush(10)
    logger.close()
    assert gate.events == ["1", "2"]
    assert is_conserved(factory.counters)


def test_dead_letters_of_the_spool_that_cannot_be_kept(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A refused record that was acknowledged waits in the spool until it can be a dead letter."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "1", "bad", "2")
    assert logger.flush(10)
    in_the_way = home / "dead-letters"
    in_the_way.write_text("")
    gate.refuses = lambda entry: "no" if entry.event == "bad" else None
    gate.error = None
    wait_until(lambda: len(gate.batches) > 2, "it to be tried again")
    assert factory.counters.in_spool == 3
    in_the_way.unlink()
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    (letter,) = letters_in(in_the_way / "gate.jsonl")
    assert event_of(letter["record"]) == "bad"
    assert (factory.counters.written, factory.counters.dead, factory.counters.failed) == (2, 1, 0)
    assert "cannot keep dead letters: " in capfd.readouterr().err


def test_dead_letters_that_cannot_be_kept(home: Path) -> None:
    """Then the refused record has failed, flush says no, and the others are written."""
    home.mkdir()
    (home / "dead-letters").write_text("in the way")
    factory = make(home, replace(QUICK, max_delay=60))
    logger = factory.create_logger("test")
    factory.gate.refuses = lambda entry: "no" if entry.event == "bad" else None
    log(logger, "good", "bad")
    assert not logger.flush(10)
    logger.close()
    assert factory.gate.events == ["good"]
    assert (factory.counters.written, factory.counters.failed) == (1, 1)


def test_a_damaged_database_refuses_no_record(home: Path, tmp_path: Path) -> None:
    """While the file of SQLite is malformed records wait in the spool; none is a dead letter."""
    path = tmp_path / "log.db"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    factory = SqlLoggerFactory(engine, limits=PATIENT, spool=SpoolPlace(home, MIB, inline))
    logger = factory.create_logger("test")
    log(logger, "before")
    assert logger.flush(10)
    replayed(factory)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    log(logger, "1", "2")
    assert logger.flush(10)
    assert (factory.counters.in_spool, factory.counters.dead) == (2, 0)
    path.write_bytes(whole)
    replayed(factory)
    logger.close()
    assert [found.event for found in read_all(factory.create_reader())] == ["before", "1", "2"]
    assert (factory.counters.written, factory.counters.dead) == (3, 0)
