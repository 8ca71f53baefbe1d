"""The bookkeeping of rooms, and the parts of the sockets that no client can drive alone."""

import itertools
from collections.abc import Callable, Sequence

import eventlet
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.services.sockets import UPGRADE
from webapp.http.connection import TAKE_OVER
from webapp.http.stream import Lost
from webapp.origins import OriginCheck
from webapp.realtime.app_sockets import Recipients
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.connection import Connection
from webapp.realtime.engine import EngineServer
from webapp.realtime.frames import unmask
from webapp.realtime.members import SocketOwner
from webapp.realtime.rooms import NAMESPACE, RoomManager
from webapp.realtime.server import GatewayServer, SocketServer

OURS, THEIRS = SocketOwner("ours", "k1"), SocketOwner("theirs", "k2")


@given(data=st.binary(max_size=300), key=st.binary(min_size=4, max_size=4))
def test_mask(data: bytes, key: bytes) -> None:
    """Unmasking many bytes at once is the definition of RFC 6455, at every length."""
    assert unmask(data, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(data))


@pytest.fixture
def server() -> GatewayServer:
    """The server of an app that nobody serves."""
    return make_server(Broadcasts())


def make_server(broadcasts: Broadcasts) -> GatewayServer:
    sockets = SocketServer(
        Flask("test"),
        RoomManager(broadcasts),
        max_connections=10,
        queue_bytes=1_048_576,
        takes_polling=True,
        has_peers=False,
        origin_allowed=OriginCheck(()),
        logger=MemoryLoggerFactory().create_logger("test"),
    )
    server = sockets.server
    assert isinstance(server, GatewayServer)
    return server


@pytest.fixture
def rooms(server: GatewayServer) -> RoomManager:
    """The rooms of ``server``."""
    return server.manager


def connect(rooms: RoomManager, name: str, owner: SocketOwner) -> str:
    """Admit and connect a socket; return its sid."""
    engine = rooms.server.eio
    engine.sockets[name] = Connection(engine, name)
    sid = rooms.pre_connect(name, NAMESPACE)
    assert sid is not None
    rooms.admit(sid, owner)
    return rooms.connect(sid, NAMESPACE)


def sockets_in(rooms: RoomManager, app_id: str, names: Sequence[str]) -> Recipients:
    """Return who gets an event of this app to these rooms."""
    plain, recovering = rooms.recipients(app_id, names, ())
    assert not recovering
    return plain


def test_disconnect_cleans(rooms: RoomManager) -> None:
    """A socket that goes leaves no trace, in its rooms or beside them."""
    gone, stays = connect(rooms, "e1", OURS), connect(rooms, "e2", OURS)
    other = connect(rooms, "e3", THEIRS)
    for sid in (gone, stays, other):
        for room in ("a", "b"):
            rooms.join(sid, room)
    rooms.leave(gone, "b")
    assert rooms.rooms_of(gone) == {"a"}
    assert rooms.socket_count == 3
    rooms.disconnect(gone, NAMESPACE, ignore_queue=True)
    assert rooms.socket_count == 2
    assert not rooms.is_sid(gone)
    assert not sockets_in(rooms, "ours", []).keys() & {gone}
    for sid in (stays, other):
        rooms.disconnect(sid, NAMESPACE, ignore_queue=True)
    left = {name: value for name, value in vars(rooms).items() if isinstance(value, dict) and value}
    assert left == {}


@pytest.mark.parametrize("owner", [OURS, THEIRS])
def test_no_event_of_before(owner: SocketOwner) -> None:
    """Who leaves amid a broadcast does not get it, not even as the new socket that it is then."""
    times = itertools.count()
    server = make_server(Broadcasts(1, lambda: next(times)))  # each socket takes a turn
    rooms, received = server.manager, list[bytes]()
    for name in ("e1", "e2", "e3"):
        connect(rooms, name, OURS)
    first, second, third = sockets_in(rooms, "ours", []).values()

    def send(data: bytes) -> int:
        received.append(data)
        return len(data)

    first.direct = second.direct = third.direct = send
    sids = [connection.socket_id for connection in (first, second, third)]

    def publish() -> tuple[str, ...]:
        return rooms.deliver("ours", "a", {}, rooms=[], excluded=())

    broadcast = eventlet.spawn(publish)
    while not received:
        eventlet.sleep(0)
    assert len(received) == 1
    server._handle_disconnect("e2", NAMESPACE)
    sid = rooms.pre_connect("e2", NAMESPACE)
    assert sid is not None
    rooms.admit(sid, owner)
    rooms.connect(sid, NAMESPACE)
    with eventlet.Timeout(5):
        assert broadcast.wait() == (sids[0], sids[2])
    assert len(received) == 2


def test_rooms_of_two_apps(rooms: RoomManager) -> None:
    """No name of a room leads into another app, nor to everyone of it."""
    sid = connect(rooms, "e1", SocketOwner("a", None))
    connect(rooms, "e2", SocketOwner("b", None))
    rooms.join(sid, "b")
    for room in ("a", "a/b", "a*", "*", "", "b*", "../a/b", sid):
        assert not sockets_in(rooms, "b", [room])
    assert [socket.sid for socket in sockets_in(rooms, "a", []).values()] == ["e1"]
    assert [socket.sid for socket in sockets_in(rooms, "b", []).values()] == ["e2"]


def test_gone_while_logging_in(server: GatewayServer) -> None:
    """A client that goes while its token is looked up takes no place for ever."""
    rooms = server.manager

    def go_while_asked(sid: str, environ: dict[str, str], auth: None) -> None:
        del environ, auth
        rooms.admit(sid, OURS)
        server._handle_eio_disconnect("e1", "transport close")

    server.on("connect", go_while_asked)
    server.environ["e1"] = {}
    server.eio.sockets["e1"] = Connection(server.eio, "e1")
    server._handle_connect("e1", None, None)
    assert rooms.socket_count == 0
    assert rooms.sid_from_eio_sid("e1", NAMESPACE) is None


def test_gone_before_the_handshake_is_answered(server: GatewayServer) -> None:
    """A client that goes before its WebSocket is accepted takes no place for ever."""

    def cannot_be_told(_answer: bytes) -> tuple[int, bytes]:
        raise Lost

    environ = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "EIO=4&transport=websocket",
        TAKE_OVER: cannot_be_told,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in UPGRADE.items()},
    }
    with pytest.raises(Lost):
        server.eio.handle_request(environ, lambda *_: bytes)
    assert server.eio.sockets == {}


def test_silent_connections_are_counted(server: GatewayServer) -> None:
    """Who does not log in in time is closed and counted; who did is left alone."""
    engine = server.eio
    engine.login_seconds = 0.01
    silent, known = (_polling_handshake(engine) for _ in range(2))
    engine.is_logged_in = lambda sid: sid == known
    _wait(lambda: engine.never_logged_in == 1)
    assert list(engine.sockets) == [known]
    assert silent not in server.environ


def _polling_handshake(engine: EngineServer) -> str:
    before = set(engine.sockets)
    environ = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "EIO=4&transport=polling",
        "flask.app": None,
    }
    list(engine.handle_request(environ, lambda *_: bytes))
    (sid,) = set(engine.sockets) - before
    return sid


def _wait(condition: Callable[[], bool]) -> None:
    with eventlet.Timeout(5):
        while not condition():
            eventlet.sleep(0.001)
