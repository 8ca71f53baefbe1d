"""Random lives of a pipeline against a model: what was flushed is found once, and in order.

The destination fails, hangs, refuses and recovers; the process is killed, which here is a copy of
the files under ``HERALD_HOME`` and of what the destination had at that moment, with which another
life begins.
"""

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logger_lib import Limits, LogRecord, SpoolPlace
from logger_lib.offload import inline
from tests.logger_lib.conftest import record
from tests.logger_lib.gate import Gate, GateFactory
from tests.logger_lib.test_dead_letters import letters_in
from tests.services.herald import wait_until

LIMITS = Limits(
    max_batch=7,
    deadline=0.02,
    first_pause=0.001,
    longest_pause=0.004,
    spool_pause=0.001,
    idle=0.05,
    max_records=1000,
)
MAX_SPOOL = 20_000
POISON = "poison"


class Life(RuleBasedStateMachine):
    """One ``HERALD_HOME`` and one destination, and the processes that use them one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="herald-model-"))
        self.logged: list[LogRecord] = []
        self.flushed = 0
        """How many of ``logged`` were there at the last flush that said yes."""
        self.promised: list[str] = []
        self.lives = 0

    @initialize(delay=st.sampled_from([0.0, 0.005]))
    def begin(self, delay: float) -> None:
        """Begin the first life."""
        self.delay = delay
        self.live(Gate(), None)

    def live(self, gate: Gate, files: Path | None) -> None:
        """Begin a life with what ``gate`` has and what ``files`` are."""
        self.lives += 1
        self.published = 0
        self.home = self.root / str(self.lives)
        if files is not None and files.exists():
            shutil.copytree(files, self.home)
        self.gate = gate
        gate.refuses = lambda entry: "it is poison" if entry.event == POISON else None
        place = SpoolPlace(self.home, MAX_SPOOL, inline)
        self.factory = GateFactory(replace(LIMITS, max_delay=self.delay), place, gate)
        self.logger = self.factory.create_logger("test")
        self.factory.prepare()

    @rule(
        count=st.integers(5, 30),
        poisoned=st.booleans(),
        weather=st.sampled_from(["fine", "down", "down", "hanging", "as it was"]),
        timeout=st.sampled_from([0.0, 0.01, 0.08, 0.08]),
    )
    def publish(self, count: int, poisoned: bool, weather: str, timeout: float) -> None:
        """Log some records and flush, under whatever the destination is up to."""
        if weather != "as it was":
            self.gate.error = ConnectionError("down") if weather == "down" else None
            self.gate.open.clear() if weather == "hanging" else self.gate.open.set()
        for number in range(count):
            entry = record(POISON if poisoned and number == count // 2 else str(len(self.logged)))
            self.logged.append(entry)
            self.logger.log(entry)
        if self.logger.flush(timeout):
            self.promised += [entry.id for entry in self.logged[self.flushed :]]
            self.flushed = len(self.logged)
        self.published += 1

    def has_lived(self) -> bool:
        """Say whether there is something that could be lost."""
        return self.published >= 3

    @precondition(has_lived)
    @rule()
    def be_killed(self) -> None:
        """End without any warning: what was flushed is on disk or at the destination."""
        survivor = Gate()
        copy = self.root / f"{self.lives}.copy"
        if self.home.exists():
            copy_living(self.home, copy)
        # After the files: what goes from one to the other in between is then in both.
        survivor.stored = dict(self.gate.stored)
        self.begin_anew(survivor, copy)

    @precondition(has_lived)
    @rule(timeout=st.sampled_from([0.0, 0.02, 0.2]))
    def restart(self, timeout: float) -> None:
        """End in order, with more or less time for it."""
        self.logger.close(timeout)
        survivor = Gate()
        copy = self.root / f"{self.lives}.copy"
        if self.home.exists():
            copy_living(self.home, copy)
        survivor.stored = dict(self.gate.stored)
        if not self.factory.counters.dropped:
            self.promised += [entry.id for entry in self.logged[self.flushed :]]
        self.begin_anew(survivor, copy)

    def begin_anew(self, gate: Gate, files: Path) -> None:
        """Let go of the process that is dead to the model, and begin another life."""
        self.flushed = len(self.logged)
        self.gate.error = None
        self.gate.open.set()
        self.logger.close(5)
        self.live(gate, files)

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        """Hold that counters never say more than was taken."""
        if self.lives:
            counters = self.factory.counters
            gone = counters.written + counters.dropped + counters.failed + counters.dead
            assert gone + counters.in_spool <= counters.taken
            assert counters.in_spool >= 0

    def teardown(self) -> None:
        """Look at what is found in the end."""
        try:
            if self.lives:
                self.judge()
        finally:
            shutil.rmtree(self.root)

    def judge(self) -> None:
        """Compare the destination with what was promised, once all is well again."""
        self.gate.error = None
        self.gate.open.set()
        assert self.logger.flush(10) or self.factory.counters.dropped
        wait_until(lambda: not list(self.home.glob("spool/*/*.jsonl")), "the spool to be empty")
        self.logger.close(5)
        counters = self.factory.counters
        gone = counters.written + counters.dropped + counters.failed + counters.dead
        assert gone == counters.taken
        assert (counters.failed, counters.torn) == (0, 0)
        promised = set(self.promised)
        poison = {entry.id for entry in self.logged if entry.event == POISON}
        assert [each for each in self.gate.stored if each in promised] == [
            each for each in self.promised if each not in poison
        ]
        assert promised & poison <= set(self.dead_letters())

    def dead_letters(self) -> Iterable[str]:
        """Yield the ids of the records in all dead letters."""
        for path in self.root.glob("*/dead-letters/gate.jsonl"):
            for letter in letters_in(path):
                assert isinstance(letter["record"], dict)
                yield str(letter["record"]["id"])


def copy_living(source: Path, target: Path) -> None:
    """Copy files that come and go meanwhile: one that is gone has been written elsewhere."""

    def copy(path: str, to: str) -> str:
        try:
            return shutil.copyfile(path, to)
        except FileNotFoundError:
            return to

    shutil.copytree(source, target, copy_function=copy)


pytestmark = pytest.mark.timeout(300)
Life.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLife = Life.TestCase
