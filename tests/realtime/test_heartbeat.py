"""The pings: spread over time, and the end of a connection that does not answer.

``test_protocol`` has both ends over the wire, under a wall clock that leaps.
"""

import heapq
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.realtime.connection import Connection
from webapp.realtime.engine import EngineServer
from webapp.realtime.heartbeat import Heartbeat

INTERVAL, TIMEOUT = 25.0, 20.0
MANY = 5_000


class Idle:
    """A connection that is never due."""

    def beat(self, now: float) -> float | None:
        """Be over."""
        del now
        return None


def first_pings(count: int) -> list[float]:
    """Return when each of ``count`` connections of one moment is due first, in seconds from now."""
    heartbeat = Heartbeat(INTERVAL, logging.getLogger("test"))
    heartbeat._running = True  # nobody runs it, so that all stay in it
    now = time.monotonic()
    for _ in range(count):
        heartbeat.start(Idle())
    return [due - now for due, _, _ in heartbeat._due]


def test_first_pings_are_spread() -> None:
    """Of 5,000 that came at once no quarter of a second pings more than a fiftieth and a half."""
    due = first_pings(MANY)
    assert min(due) >= INTERVAL / 2
    assert max(due) <= INTERVAL + 1
    spans = [0] * 60
    for seconds in due:
        spans[int((seconds - INTERVAL / 2) / 0.25)] += 1
    assert max(spans) < MANY / 50 * 1.5


@pytest.fixture(scope="module")
def engine() -> EngineServer:
    """An engine that nobody serves."""
    return EngineServer(
        async_mode="eventlet",
        ping_interval=INTERVAL,
        ping_timeout=TIMEOUT,
        monitor_clients=False,
        logger=logging.getLogger("test"),
    )


class Run:
    """One connection, beaten when it asks to be, at times of our own making."""

    def __init__(self, engine: EngineServer, first: float) -> None:
        self._engine = engine
        self.connection = Connection(engine, "sid")
        self.connection.connected = True
        self._due = [first]
        self.pings: list[float] = []
        self.closed_at: float | None = None

    def until(self, end: float) -> None:
        """Let the time pass."""
        while self._due and self._due[0] <= end:
            now = heapq.heappop(self._due)
            was_pinged = self.connection._pinged_at is not None
            again = self.connection.beat(now)
            if self.connection.closed:
                self.closed_at = now
            elif not was_pinged and self.connection._pinged_at is not None:
                self.pings.append(now)
            if again is not None:
                assert again > now
                heapq.heappush(self._due, again)
            self.connection._outbox.take()


@given(
    first=st.floats(12.5, 25),
    answers=st.lists(st.floats(0, TIMEOUT - 0.001), min_size=1, max_size=20),
)
def test_any_answers(engine: EngineServer, first: float, answers: list[float]) -> None:
    """Whoever answers within the timeout is pinged each interval; the first silence is the end."""
    run = Run(engine, first)
    run.until(first)
    for number, answer in enumerate(answers):
        pinged = first + number * INTERVAL
        assert run.pings[number:] == [pytest.approx(pinged)]
        run.until(pinged + answer)
        run.connection._ponged()
        run.until(pinged + INTERVAL + 0.001)
        assert run.closed_at is None
    last = run.pings[-1]
    run.until(last + TIMEOUT - 0.01)
    assert run.closed_at is None
    before = engine.disconnects[engine.reason.PING_TIMEOUT]
    run.until(last + TIMEOUT + 0.01)
    assert run.closed_at == pytest.approx(last + TIMEOUT)
    assert engine.disconnects[engine.reason.PING_TIMEOUT] == before + 1


@given(pongs=st.lists(st.floats(0, 12), max_size=10))
def test_pongs_that_nobody_asked_for(engine: EngineServer, pongs: list[float]) -> None:
    """Answers before the first ping do not put off the end."""
    run = Run(engine, 12.5)
    for pong in sorted(pongs):
        run.until(pong)
        run.connection._ponged()
    run.until(100)
    assert run.closed_at == 12.5 + TIMEOUT


def test_one_that_fails() -> None:
    """A connection whose ping raises keeps its place, and does not stop those of the others."""
    beaten: list[float] = []

    class Failing:
        def beat(self, now: float) -> float | None:
            beaten.append(now)
            raise OSError("no more descriptors")

    class Fine:
        def beat(self, now: float) -> float | None:
            beaten.append(-now)
            return None

    quiet = logging.Logger("quiet")
    quiet.addHandler(logging.NullHandler())
    heartbeat = Heartbeat(INTERVAL, quiet)
    heartbeat._running = True
    heartbeat._push(1.0, Failing())
    heartbeat._push(1.0, Fine())
    heartbeat._beat_all_due(2.0)
    assert beaten == [2.0, -2.0]
    assert [due for due, _, _ in heartbeat._due] == [2.0 + INTERVAL]
