"""Processes that are killed, that end without closing, that share a ``HERALD_HOME``."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from logger_lib import SpoolPlace, record_json
from logger_lib.offload import inline
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import GateFactory
from tests.logger_lib.test_spool import left_behind
from tests.logger_lib.test_spooling import QUICK, is_conserved, log, replayed, segments
from tests.services.herald import wait_until

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def program(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.logger_lib.down_program", str(home), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def make(home: Path) -> GateFactory:
    return GateFactory(QUICK, SpoolPlace(home, 1 << 20, inline))


@pytest.mark.parametrize("kind", ["threads", "green"])
def test_a_process_that_is_killed(home: Path, kind: str) -> None:
    """What it had flushed before ``kill -9`` is at the destination once, in order, by the next."""
    for _ in range(3):
        with program(home, "100000", kind) as process:
            flushed = said(process, 40)
        factory = make(home)
        logger = factory.create_logger("test")
        factory.prepare()
        wait_until(partial(has_replayed, factory, home), "the replay")
        logger.close()
        assert factory.gate.events[:40] == flushed == [str(number) for number in range(40)]
        assert len(factory.gate.stored) <= 40 + 500
        assert is_conserved(factory.counters)


@pytest.mark.parametrize("kind", ["threads", "green"])
def test_a_program_that_forgets_close(home: Path, kind: str) -> None:
    """What waits when the interpreter ends is put into the spool on the way out."""
    with program(home, "2", kind, "forget") as process:
        assert said(process, 2) == ["0", "1"]
        assert process.wait(45) == 0
    factory = make(home)
    logger = factory.create_logger("test")
    log(logger, "next")
    assert logger.flush(10)
    replayed(factory)
    logger.close()
    assert factory.gate.events == ["0", "1", "last words", "next"]


def has_replayed(factory: GateFactory, home: Path) -> bool:
    return factory.counters.taken > 0 and not segments(home)


def test_two_processes_with_one_home(home: Path) -> None:
    """Each has its own segments; those of one that dies are written by the other."""
    factory = make(home)
    logger = factory.create_logger("test")
    with program(home, "3") as process:
        assert said(process, 3) == ["0", "1", "2"]
        log(logger, "mine")
        assert logger.flush(10)
        assert factory.gate.events == ["mine"]
        assert len(segments(home)) == 1
    process.wait()
    wait_until(lambda: log_and_see(factory), "what the other had", 20)
    logger.close()
    assert [name for name in factory.gate.events if name in "012"] == ["0", "1", "2"]
    assert is_conserved(factory.counters)


def log_and_see(factory: GateFactory) -> bool:
    """Have the factory's logger look around: it does while it is in use."""
    factory.prepare()
    return len(factory.gate.stored) == 4


def test_a_spool_that_cannot_be_read_whole(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is no segment strands nothing: what many processes left is written once, in order."""
    names = [str(number) for number in range(40)]
    paths = left_behind(
        home / "spool" / "gate-test",
        *([record_json.to_json(record(name))] for name in names),
    )
    paths[1].unlink()
    paths[1].mkdir()
    del names[1]
    factory = make(home)
    logger = factory.create_logger("test")
    log(logger, "next")
    assert logger.flush(10)
    wait_until(lambda: len(factory.gate.stored) == len(names) + 1, "what was left")
    replayed(factory)
    logger.close()
    assert factory.gate.events == [*names, "next"]
    assert segments(home) == [paths[1]]
    assert factory.counters.spooled >= len(names)
    assert is_conserved(factory.counters)
    complaints = capfd.readouterr().err
    assert f"cannot take over 1 files of its spool, the first {paths[1]}" in complaints
