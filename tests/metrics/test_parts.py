"""The parts that need no server: durations, the state of buffers, what workers tell each other."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest

from logger_lib import BufferState, Durations, Logger, LoggerFactory
from logger_lib.destinations.memory import MemoryLoggerFactory
from webapp.metrics.buffers import LoggerFigures
from webapp.metrics.loop_lag import LoopLag
from webapp.shared_figures import PLACE_BYTES, PLACES, SharedFigures

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)


def test_durations() -> None:
    """Each is counted with its bound, which is one of them; longer ones beyond all bounds."""
    first, second = Durations((0.1, 1.0)), Durations((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5):
        first.observe(seconds)
    second.observe(7.0)
    both = first + second
    assert [*both.up_to()] == [(0.1, 2), (1.0, 3), (math.inf, 4)]
    assert both.seconds == pytest.approx(7.65)
    assert (first.count, second.count, both.count) == (3, 1, 4)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (BufferState(), "ok"),
        (BufferState(is_spooling=True), "behind"),
        (BufferState(is_spooling=True, failing_since=NOON), "failing"),
        (BufferState(failing_since=NOON, accepts=False), "full"),
    ],
)
def test_the_name_of_a_state(state: BufferState, name: str) -> None:
    """The worst of what is the case has the name."""
    assert state.name == name


def test_states_together() -> None:
    """Several are as well as the worst of them, and fail since the first of them has."""
    later = BufferState(waiting=1, failing_since=NOON + timedelta(minutes=1), spool_bytes=10)
    both = BufferState(waiting=2, failing_since=NOON, max_waiting=5) + later + BufferState()
    assert (both.waiting, both.max_waiting, both.spool_bytes) == (3, 5, 10)
    assert both.failing_since == NOON
    assert both.accepts
    assert not (both + BufferState(accepts=False)).accepts


def test_the_longest_lag_is_of_the_last_minute() -> None:
    """What is longer ago is in the histogram alone."""
    lag = LoopLag()
    for now, late in ((0.0, 0.5), (30.0, 0.1), (59.0, 0.0)):
        lag.note(now, late)
    assert (lag.longest, lag.last) == (0.5, 0.0)
    lag.note(61.0, 0.0)
    assert lag.longest == 0.1
    assert lag.all.count == 4


class SilentFactory(LoggerFactory):
    """A third party's that has no counters, as it has left out the base's constructor."""

    def __init__(self) -> None:
        # On purpose without the base's.
        self.made = 0

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Return one."""
        del settings
        return cls()

    def create_logger(self, name: str) -> Logger:
        """Return a logger of another."""
        return MemoryLoggerFactory().create_logger(name)


def test_a_factory_that_tells_nothing() -> None:
    """It keeps nobody from hearing of the others."""
    figures = LoggerFigures({"silent": SilentFactory(), "memory": MemoryLoggerFactory()}, int)
    seen = figures.seen()
    assert seen["silent"] == {"state": "unknown"}
    assert isinstance(seen["memory"], dict)
    assert seen["memory"]["state"] == "ok"
    told = {
        label
        for family in figures.collect()
        for sample in family.samples
        for label in [sample.labels.get("logger")]
    }
    assert told == {"memory", None}


def test_what_workers_tell() -> None:
    """Each hears the others, with the age of what they told; who ends is forgotten."""
    shared = SharedFigures()
    places = [shared.take(age) for age in (7, 8, 9)]
    assert places == [0, 1, 2]
    for place in places:
        shared.tell(place, f"figures of {place}".encode())
    told = shared.told(but=1)
    assert {place: text for place, (_, text) in told.items()} == {
        0: b"figures of 0",
        2: b"figures of 2",
    }
    assert all(age >= 0 for age, _ in told.values())
    shared.leave(8)
    assert shared.told(but=0).keys() == {2}
    assert shared.take(10) == 1, "the heir of the one that has ended"
    assert shared.take(9) == 2, "asked again it is the same"


def test_too_much_to_tell() -> None:
    """It is counted, and nobody takes what was told before for what is now."""
    shared = SharedFigures()
    shared.tell(0, b"before")
    shared.tell(0, bytes(PLACE_BYTES))
    assert shared.told(but=1) == {}
    assert shared.too_long == 1


def test_half_of_what_is_told() -> None:
    """What is being written just now is left out, not misread."""
    shared = SharedFigures()
    shared.tell(3, b"a" * 1000)
    whole = shared._memory[:]
    at = whole.index(b"a" * 1000)
    shared._memory[at + 500] = ord("b")
    assert shared.told(but=0) == {}


def test_more_workers_than_places() -> None:
    """The last place is shared then: what is told is less, and nobody fails."""
    shared = SharedFigures()
    assert [shared.take(age) for age in range(PLACES + 2)][-2:] == [PLACES - 1] * 2
