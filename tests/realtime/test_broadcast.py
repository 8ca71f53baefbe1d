"""The order of events where several broadcasts take turns."""

import itertools
import logging

import eventlet
import pytest
from engineio.packet import MESSAGE, Packet
from hypothesis import given
from hypothesis import strategies as st

from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.connection import Connection
from webapp.realtime.engine import EngineServer
from webapp.realtime.frames import Opcode, frame

SOCKETS = 12
TURN = 3


@pytest.fixture(scope="module")
def engine() -> EngineServer:
    """An engine that nobody serves."""
    return EngineServer(
        async_mode="eventlet", monitor_clients=False, logger=logging.getLogger("test")
    )


def connect(engine: EngineServer, number: int, received: list[bytes]) -> Connection:
    """Return a connection that keeps what is sent to it."""
    connection = Connection(engine, f"engine {number}")
    connection.socket_id = f"socket {number}"

    def send(data: bytes) -> int:
        received.append(data)
        return len(data)

    connection.direct = send
    return connection


@given(
    events=st.lists(st.tuples(st.sets(st.integers(0, SOCKETS - 1)), st.integers(0, 3)), max_size=12)
)
def test_one_order(engine: EngineServer, events: list[tuple[set[int], int]]) -> None:
    """Events to anyone, begun at any turn of those before, reach every socket once, in order."""
    received: list[list[bytes]] = [[] for _ in range(SOCKETS)]
    connections = [connect(engine, number, got) for number, got in enumerate(received)]
    broadcasts, under_way = Broadcasts(TURN), []
    for number, (recipients, turns) in enumerate(events):
        chosen = {connections[at].socket_id: connections[at] for at in recipients}
        packet = Packet(MESSAGE, str(number))
        under_way.append(eventlet.spawn(broadcasts.send, packet, chosen))
        for _ in range(turns):
            eventlet.sleep(0)
    with eventlet.Timeout(5):
        delivered = [task.wait() for task in under_way]
    for at, got in enumerate(received):
        expected = [
            frame(Opcode.TEXT, f"4{number}".encode())
            for number, (recipients, _) in enumerate(events)
            if at in recipients
        ]
        assert got == expected
    for (recipients, _), sids in zip(events, delivered, strict=True):
        assert sorted(sids) == sorted(f"socket {at}" for at in recipients)


def test_a_turn_is_bounded(engine: EngineServer) -> None:
    """However many broadcasts are under way, no turn of one serves more than its share of each."""
    received = [list[bytes]() for _ in range(SOCKETS)]
    everyone = {
        f"socket {number}": connect(engine, number, got) for number, got in enumerate(received)
    }
    broadcasts, sent, counts = Broadcasts(TURN), 4, []
    tasks = [
        eventlet.spawn(broadcasts.send, Packet(MESSAGE, str(number)), everyone)
        for number in range(sent)
    ]
    with eventlet.Timeout(5):
        while (total := sum(map(len, received))) < sent * SOCKETS:
            counts.append(total)
            eventlet.sleep(0)
    assert {len(task.wait()) for task in tasks} == {SOCKETS}
    # Between two looks each of the four may have had one turn.
    steps = [later - earlier for earlier, later in itertools.pairwise(counts)]
    assert max(steps) <= sent * TURN
