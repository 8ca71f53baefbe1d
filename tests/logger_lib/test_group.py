"""Several loggers as one: what the durable ones among them promise."""

from pathlib import Path

import pytest

from logger_lib import Limits, Logger, LoggerGroup, LogRecord
from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import GateFactory
from tests.logger_lib.test_spooling import make
from tests.services.herald import wait_until


class Broken(Logger):
    """A third party's durable logger, every method of which raises."""

    durable = True

    def accepts(self) -> bool:
        """Raise."""
        raise OSError("accepts")

    def log(self, record: LogRecord) -> None:
        """Raise."""
        raise ValueError(f"log {record.event}")

    def flush(self, timeout: float) -> bool:  # noqa: ARG002  the contract's
        """Return True, although nothing was taken."""
        return True

    def close(self, timeout: float = 1.0) -> None:
        """Raise."""
        raise OSError(f"close {timeout}")


def test_the_durable_members_are_a_group(home: Path) -> None:
    """They are found in groups within groups, and flushed without waiting for the others."""
    stalled, durable = GateFactory(Limits()), make(home)
    stalled.durable = False
    stalled.gate.open.clear()
    inner = LoggerGroup({"sql": durable.create_logger("a"), "lines": stalled.create_logger("a")})
    memory = MemoryLoggerFactory().create_logger("a")
    group = LoggerGroup({"inner": inner, "memory": memory})
    assert group.durable
    assert inner.durable
    group.log(record("1"))
    assert group.durable_members.flush(10)
    assert durable.gate.events == ["1"]
    assert not group.flush(0)
    only_memory = LoggerGroup({"memory": memory})
    assert not only_memory.durable
    assert only_memory.durable_members.flush(0)
    stalled.gate.open.set()
    group.close(10)


def _fill(group: LoggerGroup, factory: GateFactory) -> None:
    """Have one record wait at the gate, and as many behind it as there is room for."""
    gate = factory.gate
    gate.open.clear()
    while gate.entered.acquire(blocking=False):
        pass  # by records of before
    group.log(record())
    assert gate.entered.acquire(timeout=10)
    for _ in range(2):
        group.log(record())


def test_only_durable_members_turn_work_away() -> None:
    """A full buffer in front of a terminal is no reason to refuse; one that is to be kept is."""
    lines, durable = GateFactory(Limits(max_records=2)), GateFactory(Limits(max_records=2))
    lines.durable = False
    terminal, table = lines.create_logger("a"), durable.create_logger("a")
    group = LoggerGroup({"lines": terminal, "sql": table})
    _fill(group, lines)
    assert not terminal.accepts()
    wait_until(group.accepts, "the durable one to have written")
    assert table.flush(10)
    _fill(group, durable)
    assert not group.accepts()
    for factory in (lines, durable):
        factory.gate.open.set()
    group.close(10)


def test_a_durable_member_that_raises_keeps_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever it says when it is flushed, what it did not take is not kept."""
    group = LoggerGroup({"broken": Broken(), "memory": MemoryLoggerFactory().create_logger("a")})
    assert group.durable_members.flush(1)
    assert not group.accepts()
    group.log(record())
    assert not group.flush(1)
    assert not group.durable_members.flush(1)
    group.close()
    assert group.failed == 1
    assert "'broken' cannot write: OSError: accepts" in capfd.readouterr().err
