"""Several broadcasts at once: their order, the turns of everybody else, and what they keep."""

import gc
import itertools
import logging
from collections.abc import Callable

import eventlet
import pytest
from engineio.packet import MESSAGE, Packet
from eventlet.event import Event
from hypothesis import given
from hypothesis import strategies as st

from webapp.realtime.broadcast import TURN_SECONDS, Broadcasts, _Broadcast
from webapp.realtime.connection import Connection
from webapp.realtime.engine import EngineServer
from webapp.realtime.frames import Opcode, frame

SOCKETS = 40
LOOK = 2
SENDS_A_TURN = 5
MOST_A_TURN = SENDS_A_TURN + LOOK - 1
"""What may have been sent when the clock is looked at."""


class Crowd:
    """Sockets that keep what is sent to them, and a clock that only their sends move."""

    def __init__(self, engine: EngineServer, count: int = SOCKETS) -> None:
        self.time = 0.0
        self.received: list[list[bytes]] = [[] for _ in range(count)]
        self.connections = {f"socket {at}": self._connect(engine, at) for at in range(count)}

    def _connect(self, engine: EngineServer, number: int) -> Connection:
        connection = Connection(engine, f"engine {number}")
        connection.socket_id = f"socket {number}"

        def send(data: bytes) -> int:
            self.time += TURN_SECONDS / SENDS_A_TURN
            self.received[number].append(data)
            return len(data)

        connection.direct = send
        return connection

    def broadcasts(self) -> Broadcasts:
        """Return what sends to them."""
        return Broadcasts(LOOK, lambda: self.time)

    @property
    def total(self) -> int:
        """How much was sent to all of them."""
        return sum(map(len, self.received))

    def count_turns(self, done: Callable[[], bool]) -> list[int]:
        """Return how much was sent in each turn of the loop until ``done``."""
        counts = [self.total]
        with eventlet.Timeout(5):
            while not done():
                eventlet.sleep(0)
                counts.append(self.total)
        return [later - earlier for earlier, later in itertools.pairwise(counts)]


@pytest.fixture(scope="module")
def engine() -> EngineServer:
    """An engine that nobody serves."""
    return EngineServer(
        async_mode="eventlet", monitor_clients=False, logger=logging.getLogger("test")
    )


@pytest.fixture
def crowd(engine: EngineServer) -> Crowd:
    """Forty sockets."""
    return Crowd(engine)


@given(
    events=st.lists(st.tuples(st.sets(st.integers(0, 11)), st.integers(0, 3)), max_size=12),
    leaving=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))),
)
def test_one_order(
    engine: EngineServer, events: list[tuple[set[int], int]], leaving: set[tuple[int, int]]
) -> None:
    """Events to anyone, begun at any turn of those before, reach every socket once, in order.

    Only those that leave meanwhile do not get the rest; the answers say who got what.
    """
    crowd = Crowd(engine, 12)
    broadcasts, under_way = crowd.broadcasts(), []
    gone: set[str] = set()
    for number, (recipients, turns) in enumerate(events):
        gone |= {f"socket {at}" for at, when in leaving if when == number}
        for sid in gone:
            broadcasts.forget(sid)
        names = {f"socket {at}" for at in recipients} - gone
        chosen = {name: crowd.connections[name] for name in sorted(names)}
        packet = Packet(MESSAGE, str(number))
        under_way.append((names, eventlet.spawn(broadcasts.send, [(packet, chosen)])))
        for _ in range(turns):
            eventlet.sleep(0)
    with eventlet.Timeout(5):
        delivered = [set(task.wait()) for _, task in under_way]
    for (names, _), sids in zip(under_way, delivered, strict=True):
        assert names - gone <= sids <= names
    for at, got in enumerate(crowd.received):
        assert got == [
            frame(Opcode.TEXT, f"4{number}".encode())
            for number, sids in enumerate(delivered)
            if f"socket {at}" in sids
        ]


@pytest.mark.parametrize("sent", [1, 2, 6])
def test_a_turn_is_bounded(crowd: Crowd, sent: int) -> None:
    """However many broadcasts are under way, all of them together get one turn, and no more."""
    broadcasts = crowd.broadcasts()
    tasks = [
        eventlet.spawn(broadcasts.send, [(Packet(MESSAGE, str(number)), crowd.connections)])
        for number in range(sent)
    ]
    turns = crowd.count_turns(lambda: crowd.total == sent * SOCKETS)
    assert {task.wait() for task in tasks} == {tuple(crowd.connections)}
    assert max(turns) <= MOST_A_TURN


def test_small_ones_share_a_turn(crowd: Crowd) -> None:
    """Many broadcasts to few sockets, none of which is cut, share one turn alike."""
    broadcasts = crowd.broadcasts()
    few = dict(itertools.islice(crowd.connections.items(), LOOK))
    tasks = [
        eventlet.spawn(broadcasts.send, [(Packet(MESSAGE, str(number)), few)])
        for number in range(30)
    ]
    turns = crowd.count_turns(lambda: crowd.total == 30 * LOOK)
    assert {task.wait() for task in tasks} == {tuple(few)}
    assert max(turns) <= MOST_A_TURN
    everything = [frame(Opcode.TEXT, f"4{number}".encode()) for number in range(30)]
    assert crowd.received[: LOOK + 1] == [everything] * LOOK + [[]]


def test_what_fits_a_turn_does_not_wait(crowd: Crowd) -> None:
    """A broadcast to as many as fit a turn, with nothing under way, is sent without a switch."""
    others: list[int] = []
    broadcasts = crowd.broadcasts()
    eventlet.sleep(0)
    eventlet.spawn(others.append, 1)
    some = dict(itertools.islice(crowd.connections.items(), SENDS_A_TURN))
    assert broadcasts.send([(Packet(MESSAGE, "x"), some)]) == tuple(some)
    assert not others


def test_a_big_event_is_cut_sooner(crowd: Crowd) -> None:
    """Events of a mebibyte are sent one by one between two looks at the clock."""
    task = eventlet.spawn(
        Broadcasts(SOCKETS, lambda: crowd.time).send,
        [(Packet(MESSAGE, "x" * 1_048_576), crowd.connections)],
    )
    turns = crowd.count_turns(lambda: crowd.total == SOCKETS)
    assert len(task.wait()) == SOCKETS
    assert max(turns) <= SENDS_A_TURN


class Cut(Exception):
    """Ends a wait from outside."""


def test_one_who_gives_up(crowd: Crowd) -> None:
    """A publisher that is cut off while it waits sends nothing, and is not woken by its turn."""
    broadcasts, never = crowd.broadcasts(), Event()

    def send(number: int) -> tuple[str, ...]:
        try:
            return broadcasts.send([(Packet(MESSAGE, str(number)), crowd.connections)])
        except Cut:
            never.wait()
            return ()

    first, second, third = (eventlet.spawn(send, number) for number in range(3))
    eventlet.sleep(0)
    second.kill(Cut())
    with eventlet.Timeout(5):
        assert first.wait() == third.wait() == tuple(crowd.connections)
    assert not second.dead
    second.kill()
    expected = [frame(Opcode.TEXT, b"40"), frame(Opcode.TEXT, b"42")]
    assert crowd.received == [expected] * SOCKETS


def test_nothing_is_kept_where_one_is_always_under_way(crowd: Crowd) -> None:
    """Two publishers whose broadcasts always overlap keep no more than those under way."""
    broadcasts = crowd.broadcasts()

    def publish(times: int) -> None:
        for number in range(times):
            broadcasts.send([(Packet(MESSAGE, str(number)), crowd.connections)])

    publishers = [eventlet.spawn(publish, 20) for _ in range(2)]
    alive = []
    with eventlet.Timeout(20):
        while not all(publisher.dead for publisher in publishers):
            for _ in range(60):
                eventlet.sleep(0)
            alive.append([type(thing) for thing in gc.get_objects()].count(_Broadcast))
    assert crowd.total == 40 * SOCKETS
    assert 1 <= max(alive) <= 3
