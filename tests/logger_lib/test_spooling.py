"""A pipeline with a spool: its destination down, slow or hanging."""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pytest

from logger_lib import Counters, Limits, Logger, LoggerFactory, LogRecord, SpoolPlace
from logger_lib.offload import inline
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import Gate, GateFactory
from tests.services.herald import wait_until

MIB = 1 << 20
Result = TypeVar("Result")
QUICK = Limits(
    deadline=0.1, first_pause=0.01, longest_pause=0.02, spool_pause=0.01, idle=0.1, loss_seconds=0
)
PATIENT = replace(QUICK, deadline=30.0)


def make(
    home: Path, limits: Limits = QUICK, gate: Gate | None = None, max_bytes: int = MIB
) -> GateFactory:
    return GateFactory(limits, SpoolPlace(home, max_bytes, inline), gate)


def segments(home: Path) -> list[Path]:
    return sorted((home / "spool").glob("*/*.jsonl"))


def log(logger: Logger, *names: str) -> None:
    for name in names:
        logger.log(record(name))


def is_conserved(counters: Counters) -> bool:
    """Say whether, with nothing waiting in memory, every record is counted once."""
    gone = counters.written + counters.dropped + counters.failed + counters.dead
    return counters.taken == gone + counters.in_spool


def replayed(factory: LoggerFactory) -> None:
    wait_until(lambda: factory.counters.in_spool == 0, "the spool to be empty")


def test_what_goes_well_never_sees_the_disk(home: Path) -> None:
    """While the destination takes what it is given, nothing is made under ``HERALD_HOME``."""
    factory = make(home)
    logger = factory.create_logger("test")
    assert logger.durable
    log(logger, "1", "2")
    assert logger.flush(10)
    logger.close()
    assert factory.gate.events == ["1", "2"]
    assert not home.exists()


def test_a_destination_that_is_down(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What it does not take is on disk when flush says so, and is there when it is back."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    for name in "abcdef":
        log(logger, name)
        assert logger.flush(10)
    assert logger.accepts()
    assert factory.counters.in_spool == 6
    assert len(segments(home)) == 1
    gate.error = None
    replayed(factory)
    log(logger, "g")
    assert logger.flush(10)
    logger.close()
    assert gate.events == list("abcdefg")
    assert segments(home) == []
    counters = factory.counters
    assert (counters.written, counters.spooled, counters.replayed) == (7, 6, 6)
    assert counters.opened == 1
    assert counters.retried >= 6
    told = capfd.readouterr().err.splitlines()
    assert told == [
        "Herald logger 'gate' cannot write: ConnectionError: down; "
        "records are kept on disk until it can, this is said once",
        "Herald logger 'gate' writes again",
    ]


def test_order_is_kept_whatever_way_records_take(home: Path) -> None:
    """Direct, through the spool and direct again, many times: the order is that of ``log``."""
    factory = make(home, replace(QUICK, max_batch=20, longest_pause=0.01, first_pause=0.005))
    gate, logger = factory.gate, factory.create_logger("test")
    names = [str(number) for number in range(3000)]
    for start in range(0, 3000, 300):
        gate.error = ConnectionError("down") if start % 600 else None
        for name in names[start : start + 300]:
            log(logger, name)
            if int(name) % 37 == 0:
                assert logger.flush(10)
    gate.error = None
    assert logger.flush(10)
    replayed(factory)
    logger.close()
    assert gate.events == names
    assert list(chain.from_iterable(gate.batches)) == names, (
        "a write that failed had stored nothing"
    )
    assert is_conserved(factory.counters)
    assert factory.counters.opened > 1


def test_a_slow_destination(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A batch beyond the deadline is on disk; that it was written after all is counted once."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "slow")
    started = time.monotonic()
    assert logger.flush(10)
    assert 0.1 <= time.monotonic() - started < 2
    log(logger, "behind")
    assert logger.flush(10)
    assert factory.counters.in_spool == 2
    gate.open.set()
    replayed(factory)
    log(logger, "direct")
    assert logger.flush(10)
    logger.close()
    assert gate.events == ["slow", "behind", "direct"]
    assert factory.counters.written == 3
    assert is_conserved(factory.counters)
    assert "takes longer than 0.1 s for a batch" in capfd.readouterr().err


class Slow(Gate):
    """A destination that takes twice the deadline for each batch."""

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Write, at its own pace."""
        threading.Event().wait(2 * QUICK.deadline)
        super().write(batch)


class SlowDisk:
    """An offload that a test can hold up."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.free = threading.Event()
        self.free.set()

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Make the call, when the disk is free."""
        self.entered.release()
        assert self.free.wait(20)
        return call()


@pytest.mark.parametrize("ends", ["flush", "close"])
def test_an_answer_while_the_batch_is_on_its_way_to_disk(home: Path, ends: str) -> None:
    """A disk that hangs holds up no destination that answers, and the batch is counted once."""
    disk = SlowDisk()
    factory = GateFactory(QUICK, SpoolPlace(home, MIB, disk))
    gate, logger = factory.gate, factory.create_logger("test")
    log(logger, "before")
    assert logger.flush(10)
    while disk.entered.acquire(blocking=False):
        """Forget the look for what was left behind."""
    gate.open.clear()
    disk.free.clear()
    log(logger, "both")
    assert disk.entered.acquire(timeout=10)
    gate.open.set()
    wait_until(lambda: "both" in gate.events, "the destination to have it")
    assert logger.flush(10)
    log(logger, "after")
    assert logger.flush(10)
    assert gate.events == ["before", "both", "after"]
    assert (factory.counters.written, factory.counters.spooled) == (3, 0)
    if ends == "close":
        closing = threading.Thread(target=logger.close, args=(5,))
        closing.start()
    disk.free.set()
    wait_until(lambda: factory.counters.spooled == 1, "the copy to be on disk")
    if ends == "flush":
        replayed(factory)
        logger.close()
    else:
        closing.join()
    assert gate.events == ["before", "both", "after"]
    assert factory.counters.taken == 3
    assert factory.counters.dropped == 0
    assert is_conserved(factory.counters)


def test_a_destination_that_stays_slow(home: Path) -> None:
    """Only the first waits for the deadline: the others are on disk at once."""
    factory = make(home, gate=Slow())
    gate, logger = factory.gate, factory.create_logger("test")
    for number in range(4):
        log(logger, str(number))
        assert logger.flush(10)
        replayed(factory)
    assert factory.counters.spooled == 4
    logger.close()
    assert gate.events == ["0", "1", "2", "3"]


def test_a_destination_that_hangs_for_ever(home: Path) -> None:
    """Flush says yes, close is done in its time, and the next process finds everything."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    for name in "abc":
        log(logger, name)
        assert logger.flush(10)
    log(logger, "unflushed")
    started = time.monotonic()
    logger.close(0.6)
    assert time.monotonic() - started < 1
    assert is_conserved(factory.counters)
    after = make(home)
    second = after.create_logger("test")
    after.prepare()
    wait_until(lambda: len(after.gate.stored) == 4, "what was left")
    second.close()
    assert after.gate.events == ["a", "b", "c", "unflushed"]
    assert is_conserved(after.counters)
    gate.open.set()


def test_close_spools_what_is_being_written(home: Path) -> None:
    """With a deadline longer than the time there is, close puts what is left on disk itself."""
    factory = make(home, PATIENT)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "writing")
    assert gate.entered.acquire(timeout=10)
    log(logger, "waiting")
    started = time.monotonic()
    logger.close(0.5)
    assert time.monotonic() - started < 1
    assert (factory.counters.in_spool, factory.counters.dropped) == (2, 0)
    assert len(segments(home)) == 1
    gate.open.set()


def test_close_where_no_thread_can_be_had(home: Path) -> None:
    """At the end of the interpreter, which starts no threads, close spools in its own."""
    factory = make(home)
    logger = factory.create_logger("test")
    size = threading.stack_size(1 << 46)
    try:
        log(logger, "1", "2")
        logger.close(0.2)
    finally:
        threading.stack_size(size)
    assert factory.counters.in_spool == 2
    after = make(home)
    second = after.create_logger("test")
    log(second, "3")
    assert second.flush(10)
    replayed(after)
    second.close()
    assert after.gate.events == ["1", "2", "3"]


def test_lines_that_are_gone_are_counted(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where the disk lost what it had, the records have failed, and the others are written."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "1")
    assert logger.flush(10)
    for name in ("2", "3"):
        log(logger, name)
        assert logger.flush(10)
    (segment,) = segments(home)
    data = bytearray(segment.read_bytes())
    data[data.index(b'"event": "2"') + 10] ^= 1
    with segment.open("r+b") as file:
        file.write(data)
    gate.open.set()
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "3"]
    counters = factory.counters
    assert (counters.written, counters.failed, counters.torn) == (2, 1, 1)
    assert is_conserved(counters)
    assert "left out 1 lines of its spool" in capfd.readouterr().err


def test_one_commit_serves_all_who_wait(home: Path) -> None:
    """Of 32 publishers at once the first has a batch of its own, and the other 31 one together."""
    factory = make(home, PATIENT)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "first")
    assert gate.entered.acquire(timeout=10)
    answers: list[bool] = []

    def publish(number: int) -> None:
        log(logger, f"event {number}", f"deliveries {number}")
        answers.append(logger.flush(20))

    publishers = [threading.Thread(target=publish, args=(number,)) for number in range(31)]
    for publisher in publishers:
        publisher.start()
    wait_until(lambda: factory.counters.taken == 63, "all to have logged")
    gate.open.set()
    for publisher in publishers:
        publisher.join(20)
    assert answers == [True] * 31
    assert list(map(len, gate.batches)) == [1, 62]
    logger.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_leaves_its_parents_spool_alone(home: Path) -> None:
    """What the parent has on disk or in memory stays its own; the child has its own spool."""
    factory = make(home)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "parent 1", "parent 2")
    assert logger.flush(10)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        log(logger, "child")
        flushed = logger.flush(10)
        report = [flushed, factory.counters.taken, factory.counters.in_spool, len(segments(home))]
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert json.loads(os.read(reading, 1000)) == [True, 1, 1, 2]
    for fd in (reading, writing):
        os.close(fd)
    gate.error = None
    replayed(factory)
    # At the latest when it has been idle the parent looks for what the child left behind.
    log(logger, "parent 3")
    wait_until(lambda: len(gate.stored) == 4, "the record of the child")
    logger.close()
    assert [name for name in gate.events if name != "child"] == [
        "parent 1",
        "parent 2",
        "parent 3",
    ]


def test_a_drop_is_not_flushed(home: Path) -> None:
    """A flush that covers a record that was dropped says no, even when all that waited is kept."""
    factory = make(home, replace(PATIENT, max_records=1, loss_seconds=60))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "writing")
    assert gate.entered.acquire(timeout=10)
    log(logger, "waiting", "waiting too", "dropped")
    gate.open.set()
    assert not logger.flush(10)
    log(logger, "after")
    assert not logger.flush(10), "whoever logs and flushes may have been elsewhere in between"
    logger.close()
    assert factory.counters.dropped == 1
    assert gate.events == ["writing", "waiting", "waiting too", "after"]


def test_flush_hurries_what_is_spooled(home: Path) -> None:
    """With a delay a flush commits at once to the spool, too."""
    factory = make(home, replace(QUICK, max_delay=60))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    for name in "abc":
        log(logger, name)
        assert logger.flush(10)
    logger.close()
    assert factory.counters.in_spool == 3
