"""Group commit: bounds, delays, the thread that writes, and what is left at the end."""

import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from logger_lib import Limits, delivery_record
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import GateFactory
from tests.services.herald import wait_until

ONE_TRY = Limits(attempts=1)


def test_what_waits_is_one_batch() -> None:
    """While one batch is written the next one gathers, up to ``max_batch``."""
    factory = GateFactory(Limits(max_batch=3))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    logger.log(record("0"))
    assert gate.entered.acquire(timeout=10)
    for number in range(1, 6):
        logger.log(record(str(number)))
    gate.open.set()
    assert logger.flush(10)
    assert gate.batches == [["0"], ["1", "2", "3"], ["4", "5"]]
    logger.close()


def test_a_delay_ends_by_time() -> None:
    """With ``max_delay`` a lone record waits for company, and no longer than that."""
    factory = GateFactory(Limits(max_delay=0.02))
    logger = factory.create_logger("test")
    logger.log(record("alone"))
    assert factory.gate.entered.acquire(timeout=10)
    logger.close()


def test_a_delay_ends_by_size() -> None:
    """With ``max_delay`` a full batch is written at once."""
    factory = GateFactory(Limits(max_batch=2, max_delay=60))
    logger = factory.create_logger("test")
    logger.log(record("1"))
    logger.log(record("2"))
    assert factory.gate.entered.acquire(timeout=10)
    logger.close()


@pytest.mark.parametrize("way", ["flush", "close"])
def test_a_delay_ends_by_asking(way: str) -> None:
    """With ``max_delay`` flush and close commit at once what waits."""
    factory = GateFactory(Limits(max_delay=60))
    logger = factory.create_logger("test")
    logger.log(record("1"))
    if way == "flush":
        assert logger.flush(10)
    else:
        logger.close()
    assert factory.gate.batches == [["1"]]
    logger.close()


def test_a_batch_makes_a_bounded_text() -> None:
    """A batch ends with the record that brings its text, a line a recipient, to the bound."""
    factory = GateFactory(Limits(max_batch_bytes=100_000, max_delay=60))
    logger = factory.create_logger("test")
    sids = ("s",) * 500
    for number in range(5):
        logger.log(delivery_record(str(number), sids, event_id="i", time=record().time))
    assert logger.flush(10)
    assert factory.gate.batches == [["0", "1"], ["2", "3"], ["4"]]
    logger.close()


def test_counts_are_exact_over_loggers_and_threads() -> None:
    """A factory's counters lose nothing when loggers of it are used by many threads at once."""
    factory = GateFactory(Limits(max_records=100))
    loggers = [factory.create_logger(str(number)) for number in range(4)]

    def log_much(number: int) -> None:
        for _ in range(5_000):
            loggers[number % 4].log(record())

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=log_much, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)
    for logger in loggers:
        logger.close(10)
    counters = factory.counters
    assert counters.taken == 40_000
    assert counters.written + counters.dropped == 40_000
    assert counters.written == sum(map(len, factory.gate.batches))


def test_flush_says_when_it_is_not_done() -> None:
    """Flush returns False while the destination holds up what was taken before it."""
    factory = GateFactory(Limits())
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    logger.log(record("held"))
    assert not logger.flush(0)
    assert not logger.flush(0.01)
    gate.open.set()
    assert logger.flush(10)
    logger.close()


@pytest.mark.parametrize(
    "limits",
    [Limits(max_records=2), Limits(max_bytes=2 * record("1").weight)],
    ids=["records", "bytes"],
)
def test_a_full_buffer_drops_the_newest(limits: Limits, capfd: pytest.CaptureFixture[str]) -> None:
    """Beyond twice a bound new records are dropped, counted and said; beyond it they are warned."""
    factory = GateFactory(limits)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    logger.log(record("writing"))
    assert gate.entered.acquire(timeout=10)
    accepted = []
    for name in ("1", "2", "3", "4", "5", "6"):
        accepted.append(logger.accepts())
        logger.log(record(name))
    assert accepted == [True, True, False, False, False, False]
    gate.open.set()
    logger.close()
    assert gate.batches == [["writing"], ["1", "2", "3", "4"]]
    assert (factory.counters.taken, factory.counters.dropped) == (7, 2)
    assert capfd.readouterr().err.count("is too slow") == 1


def test_a_record_larger_than_the_buffer_is_dropped() -> None:
    """One record that alone exceeds the bound in bytes is dropped and counted."""
    factory = GateFactory(Limits(max_bytes=2000))
    logger = factory.create_logger("test")
    logger.log(record(message="x" * 4000))
    logger.close()
    assert (factory.counters.dropped, factory.gate.batches) == (1, [])


def test_close_gives_up_on_a_destination_that_hangs(capfd: pytest.CaptureFixture[str]) -> None:
    """Close returns after its time; what waits is dropped and said, the batch in flight may end."""
    factory = GateFactory(Limits())
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    logger.log(record("writing"))
    assert gate.entered.acquire(timeout=10)
    logger.log(record("waiting"))
    started = time.monotonic()
    logger.close(0.3)
    assert 0.3 <= time.monotonic() - started < 0.55
    assert factory.counters.dropped == 1
    assert "'gate' was closed while 1 records of herald-gate-test waited" in capfd.readouterr().err
    gate.open.set()
    assert not logger.flush(10)
    assert factory.counters.written == 1


def test_a_partly_refused_batch_is_counted_exactly(capfd: pytest.CaptureFixture[str]) -> None:
    """A destination that refuses one record of three has written two."""
    factory = GateFactory(Limits(max_delay=60))
    logger = factory.create_logger("test")
    factory.gate.refuses = lambda entry: "it is too long" if entry.event == "1" else None
    for number in range(3):
        logger.log(record(str(number)))
    assert not logger.flush(10)
    assert factory.gate.batches == [["0", "2"]]
    assert (factory.counters.written, factory.counters.failed) == (2, 1)
    assert "1 refused, the first because it is too long" in capfd.readouterr().err
    logger.close()


def test_the_thread_survives_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    """After a batch has failed the next one is written."""
    factory = GateFactory(ONE_TRY)
    logger = factory.create_logger("test")
    factory.gate.error = KeyError("gone\x1b[31m\nsecond line with a secret")
    logger.log(record("lost"))
    assert not logger.flush(10)
    factory.gate.error = None
    logger.log(record("kept"))
    logger.close()
    assert factory.gate.batches == [["kept"]]
    complaint = capfd.readouterr().err
    assert "Herald logger 'gate' cannot write: KeyError: " in complaint
    assert "\x1b" not in complaint


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_killed_thread_is_replaced() -> None:
    """An exit raised inside the destination ends the thread; the next record starts another."""
    factory = GateFactory(Limits())
    logger = factory.create_logger("test")
    factory.gate.error = SystemExit()
    logger.log(record("lost"))
    assert not logger.flush(10)
    factory.gate.error = None
    for thread in threading.enumerate():
        if thread.name == "herald-gate-test":
            thread.join(10)
    logger.log(record("kept"))
    logger.close()
    assert factory.gate.batches == [["kept"]]
    assert factory.counters.failed == 1


def test_preparing_is_tried_again() -> None:
    """A destination that cannot be prepared yet is prepared before a later batch, and only once."""
    factory = GateFactory(Limits(attempts=1, loss_seconds=0))
    logger = factory.create_logger("test")
    factory.gate.prepare_error = ConnectionError("not yet")
    logger.log(record("early"))
    wait_until(lambda: factory.counters.failed == 1, "the failure")
    factory.gate.prepare_error = None
    for name in ("1", "2"):
        logger.log(record(name))
        assert logger.flush(10)
    assert (factory.counters.failed, factory.counters.written, factory.gate.prepared) == (1, 2, 1)
    logger.close()


def test_an_idle_thread_ends_and_comes_back() -> None:
    """The thread leaves when there is nothing to do, and the next record starts another."""
    factory = GateFactory(Limits(idle=0.01))
    logger = factory.create_logger("idle")
    logger.log(record("1"))
    _join("herald-gate-idle")
    logger.log(record("2"))
    assert logger.flush(10)
    assert factory.gate.batches == [["1"], ["2"]]
    logger.close()


def test_a_forgotten_logger_does_not_leak() -> None:
    """A logger that nobody closed or holds is freed once its thread is idle."""
    factory = GateFactory(Limits(idle=0.01))
    logger = factory.create_logger("forgotten")
    logger.log(record("1"))
    seen = weakref.ref(logger)
    del logger
    _join("herald-gate-forgotten")
    gc.collect()
    assert seen() is None
    assert factory.counters.written == 1


def test_no_thread_to_be_had(capfd: pytest.CaptureFixture[str]) -> None:
    """Where no thread can be started the record waits for a later one, and stderr says so."""
    factory = GateFactory(Limits())
    logger = factory.create_logger("test")
    size = threading.stack_size(1 << 46)
    try:
        logger.log(record("1"))
    finally:
        threading.stack_size(size)
    assert "can't start new thread" in capfd.readouterr().err
    logger.log(record("2"))
    logger.close()
    assert factory.gate.batches == [["1", "2"]]


def test_a_program_that_forgets_close_loses_nothing() -> None:
    """What waits when the interpreter ends is written on the way out."""
    program = (
        "from logger_lib import *\n"
        "from logger_lib.destinations.console import ConsoleLoggerFactory\n"
        "logger = ConsoleLoggerFactory(limits=Limits(max_delay=60)).create_logger('main')\n"
        "logger.log(LogRecord(event='last.words', message='bye'))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert b'"event": "last.words"' in ended.stdout


def test_a_closed_stderr_hurts_no_one() -> None:
    """A destination that fails where stderr is closed is still counted."""
    program = (
        "import os, sys\n"
        "from logger_lib import *\n"
        "from logger_lib.destinations.console import ConsoleLoggerFactory\n"
        "sys.stderr.close()\n"
        "factory = ConsoleLoggerFactory(os.open('/dev/full', os.O_WRONLY))\n"
        "logger = factory.create_logger('main')\n"
        "logger.log(LogRecord(event='e', message='m'))\n"
        "ok = not logger.flush(10) and factory.counters.failed == 1\n"
        "os._exit(0 if ok else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def _join(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)
