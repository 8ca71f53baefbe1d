"""A pipeline whose spool can take no more: the disk full, or its own bound reached."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.logger_lib.test_spooling import (
    MIB,
    QUICK,
    Slow,
    is_conserved,
    log,
    make,
    replayed,
    segments,
)
from tests.services.herald import wait_until
from tests.services.small_disk import small_disk


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk that is full."""
    with small_disk(tmp_path / "disk", MIB) as disk:
        disk.fill()
        yield disk.path


def test_a_full_disk(full: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is said to be kept, or lost; when there is space again all is, without a restart."""
    factory = make(full)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "1")
    assert not logger.flush(0.3)
    assert not logger.accepts()
    log(logger, "2")
    assert not logger.flush(0.1)
    (full / "ballast").unlink()
    assert logger.flush(10)
    assert logger.accepts()
    assert factory.counters.in_spool == 2
    gate.error = None
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    assert is_conserved(factory.counters)
    assert factory.counters.dropped == 0
    assert "cannot keep records on disk: OSError: [Errno 28]" in capfd.readouterr().err


def test_a_full_disk_and_a_destination_that_comes_back(full: Path) -> None:
    """While the disk stays full the destination's return is enough."""
    factory = make(full)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    log(logger, "1", "2")
    assert not logger.flush(0.3)
    gate.error = None
    assert logger.flush(10)
    wait_until(logger.accepts, "records to be welcome")
    log(logger, "3")
    assert logger.flush(10)
    logger.close()
    assert gate.events == ["1", "2", "3"]
    assert factory.counters.written == 3


def test_a_full_disk_and_a_destination_that_hangs(full: Path) -> None:
    """Close is done in its time; what is kept nowhere is dropped, and counted."""
    factory = make(full)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "1", "2")
    assert not logger.flush(0.3)
    started = time.monotonic()
    logger.close(0.4)
    assert time.monotonic() - started < 0.8
    assert factory.counters.dropped == 2
    gate.open.set()


def test_a_full_disk_and_a_slow_destination(full: Path) -> None:
    """What the disk does not take the destination may take as long for as it needs."""
    factory = make(full, gate=Slow())
    gate, logger = factory.gate, factory.create_logger("test")
    for name in ("1", "2"):
        log(logger, name)
        assert logger.flush(10)
    wait_until(logger.accepts, "records to be welcome")
    logger.close()
    assert gate.events == ["1", "2"]
    assert factory.counters.written == 2
    assert is_conserved(factory.counters)


def test_a_hanging_destination_and_a_disk_with_space_again(full: Path) -> None:
    """The batch that hangs is on disk as soon as that takes it, and the ones behind follow."""
    factory = make(full)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.open.clear()
    log(logger, "1")
    assert gate.entered.acquire(timeout=10)
    log(logger, "2")
    assert not logger.flush(0.3)
    assert not logger.accepts()
    (full / "ballast").unlink()
    assert logger.flush(10)
    assert factory.counters.in_spool == 2
    gate.open.set()
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    assert is_conserved(factory.counters)


def test_a_disk_that_fills_up_behind_a_slow_destination(tmp_path: Path) -> None:
    """A destination that got everything by way of the spool gets it directly, slow as it is."""
    with small_disk(tmp_path / "disk", MIB) as disk:
        factory = make(disk.path, gate=Slow())
        logger = factory.create_logger("test")
        log(logger, "1")
        assert logger.flush(10)
        replayed(factory)
        disk.fill()
        log(logger, "2")
        assert logger.flush(10)
        logger.close()
        assert factory.gate.events == ["1", "2"]
        assert factory.counters.in_spool == 0


def test_close_asks_the_disk_once_more(tmp_path: Path) -> None:
    """What the disk did not take a moment ago it may take now, at the end."""
    with small_disk(tmp_path / "disk", MIB) as disk:
        disk.fill()
        factory = make(disk.path, replace(QUICK, spool_pause=60))
        logger = factory.create_logger("test")
        factory.gate.error = ConnectionError("down")
        log(logger, "1")
        wait_until(lambda: not logger.accepts(), "the disk to have refused")
        disk.free()
        logger.close(2)
        assert (factory.counters.in_spool, factory.counters.dropped) == (1, 0)


def test_close_with_a_full_disk_and_no_thread(full: Path) -> None:
    """At the end of the interpreter close tries once, and does not hang."""
    factory = make(full)
    logger = factory.create_logger("test")
    size = threading.stack_size(1 << 46)
    try:
        log(logger, "1")
        logger.close(0.2)
    finally:
        threading.stack_size(size)
    assert factory.counters.dropped == 1


def test_the_bound_of_the_spool(home: Path) -> None:
    """At its bound records are turned away; they wait in memory, and are written in order."""
    factory = make(home, max_bytes=2000)
    gate, logger = factory.gate, factory.create_logger("test")
    gate.error = ConnectionError("down")
    kept = 0
    while logger.accepts():
        log(logger, str(kept))
        kept += logger.flush(0.2)
    assert 3 < kept < 20
    assert sum(path.stat().st_size for path in segments(home)) <= 2000
    log(logger, str(kept + 1))
    gate.error = None
    assert logger.flush(10)
    replayed(factory)
    wait_until(logger.accepts, "records to be welcome")
    logger.close()
    assert gate.events == [str(number) for number in range(kept + 2)]
    assert is_conserved(factory.counters)
