"""A pipeline whose spool can take no more: the disk full, or its own bound reached."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logger_lib.test_spooling import MIB, is_conserved, log, make, replayed, segments
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
