"""A thread whose wait ends by itself, just as what it waited for comes."""

import threading
from dataclasses import replace
from pathlib import Path

from logger_lib import Limits, LogRecord
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import GateFactory
from tests.logger_lib.test_spooling import QUICK, is_conserved, make, replayed
from tests.services.herald import wait_until

IDLE = 0.3
"""How long the threads wait here before they do without."""
DEADLINE = 0.05


class SlowWeight(int):
    """A weight that takes longer to be added than a thread waits. That is done under the lock."""

    when_put = False

    def _hold_up(self) -> None:
        assert not threading.Event().wait(2 * IDLE)

    def __radd__(self, total: int) -> int:
        """Be added to what waits, by who puts."""
        if self.when_put:
            self._hold_up()
        return total + int(self)

    def __add__(self, text: int) -> int:
        """Be added to a batch, by who takes."""
        if not self.when_put:
            self._hold_up()
        return int(self) + text


class SlowWhenPut(SlowWeight):
    """One that holds up who puts it."""

    when_put = True


def weighing(event: str, weight: int) -> LogRecord:
    made = record(event)
    object.__setattr__(made, "_weight", weight)
    return made


def test_a_record_that_comes_as_the_thread_leaves() -> None:
    """The thread that has waited long enough for something to do looks again before it ends."""
    factory = GateFactory(Limits(idle=IDLE))
    logger = factory.create_logger("test")
    logger.log(record("1"))
    assert logger.flush(10)
    logger.log(weighing("2", SlowWhenPut(1000)))
    wait_until(lambda: factory.gate.events == ["1", "2"], "the second record")
    logger.close()


def test_a_record_that_is_spooled_as_the_spool_is_left(home: Path) -> None:
    """Of a slow destination the spool is left when it is empty, also after the last look."""
    factory = make(home, replace(QUICK, idle=IDLE, deadline=DEADLINE))
    gate, logger = factory.gate, factory.create_logger("test")
    gate.lasts = 3 * DEADLINE
    logger.log(record("1"))
    assert logger.flush(10)
    wait_until(lambda: factory.counters.replayed == 1, "the first record")
    gate.lasts = 0
    logger.log(weighing("2", SlowWeight(1000)))
    wait_until(lambda: factory.counters.spooled == 2, "the second record in the spool")
    replayed(factory)
    logger.close()
    assert gate.events == ["1", "2"]
    assert is_conserved(factory.counters)
