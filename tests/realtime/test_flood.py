"""Clients that send too much: parted from with 1008; those that only send much are not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from logger_lib import JsonValue
from tests.realtime.conftest import Clients, ends_by
from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Ended,
    Frame,
    RawPolling,
    frame,
)
from webapp.access.scopes import Scope
from webapp.realtime.connection import FLOOD
from webapp.realtime.handlers import MAX_ROOMS_PER_SOCKET
from webapp.realtime.inbox import MESSAGE_BURST, MESSAGES_PER_SECOND

SOON = 5.0


@pytest.fixture(scope="module")
def key(counted: HeraldServer) -> str:
    """A key of an app of these tests' own."""
    return counted.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app="flood")


def join(room: str) -> bytes:
    """Return the frame that asks to join ``room``."""
    return frame(TEXT, ('421["join",' + json.dumps({"room": room}) + "]").encode())


@contextmanager
def one_more_flood(server: HeraldServer) -> Iterator[None]:
    """Hold that one connection ends for its flood meanwhile, and that the server says so."""
    before, printed = ends_by(server, "flood"), server.log_text().count(FLOOD)
    yield
    wait_until(lambda: ends_by(server, "flood") == before + 1, "the count of the flood")
    wait_until(lambda: server.log_text().count(FLOOD) > printed, "the line of the flood")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(join("r"), id="packets"),
        pytest.param(frame(TEXT, b"3"), id="pongs of Engine.IO"),
        pytest.param(frame(PING, b""), id="pings of WebSocket"),
        pytest.param(frame(PONG, b""), id="pongs of WebSocket"),
    ],
)
def test_a_burst(counted: HeraldServer, key: str, clients: Clients, sent: bytes) -> None:
    """Twice as many at once as are allowed end the connection, whatever they are."""
    client = clients.raw(counted, key)
    with one_more_flood(counted):
        client.socket.sendall(sent * 2 * MESSAGE_BURST)
        while (received := client.receive()).opcode != CLOSE:
            assert received in {Frame(TEXT, b'431[{"ok":true,"room":"r"}]'), Frame(PONG, b"")}
        assert received.payload == (1008).to_bytes(2, "big") + FLOOD.encode()
        with pytest.raises(Ended):
            client.receive()


def test_too_many_a_second(counted: HeraldServer, key: str, clients: Clients) -> None:
    """Who sends the next packet with each answer, thousands a second, is parted from soon."""
    client = clients.raw(counted, key)
    with one_more_flood(counted):
        answers = 0
        client.socket.sendall(join("r"))
        while (received := client.receive()).opcode != CLOSE:
            answers += 1
            client.socket.sendall(join("r"))
        assert received.payload[:2] == (1008).to_bytes(2, "big")
    # The burst, and what was earned during it.
    assert MESSAGE_BURST - 10 <= answers <= MESSAGE_BURST + SOON * MESSAGES_PER_SECOND


def test_polling(counted: HeraldServer, key: str) -> None:
    """A polling client is counted alike, over all its requests, and hears why it has to go."""
    polling = RawPolling(counted.url)
    polling.login(key)
    body = b"\x1e".join([b"3"] * (MESSAGE_BURST // 2))
    with one_more_flood(counted):
        assert polling.post(body).status_code == 200
        refused = [polling.post(body) for _ in range(2)][-1]
    for answer in (refused, polling.poll(), polling.post(b"3")):
        assert answer.status_code == 400
        assert answer.json() == {"error": {"code": "session_ended", "message": FLOOD}}


def test_fragments(counted: HeraldServer, key: str, clients: Clients) -> None:
    """Each frame counts, so that fragments are not a way to send more."""
    client = clients.raw(counted, key)
    in_two = frame(TEXT, b"3", final=False) + frame(CONTINUATION, b"")
    with one_more_flood(counted):
        client.socket.sendall(in_two * (MESSAGE_BURST * 2 // 3))
        assert client.end(SOON) == 1008


def test_all_rooms_at_once(counted: HeraldServer, key: str, clients: Clients) -> None:
    """A client that joins its hundred rooms at once, and leaves and joins them, may stay."""
    client = clients.raw(counted, key)
    names = [f"room {number}" for number in range(MAX_ROOMS_PER_SOCKET)]
    client.socket.sendall(b"".join(map(join, names)))
    answers = [client.receive().text for _ in names]
    assert answers == [f'431[{{"ok":true,"room":"{name}"}}]' for name in names]
    body: JsonValue = {"event": "a", "data": {}, "room": names[-1]}
    assert counted.post("/events", body, key).json()["recipients"] == 1
    assert client.receive_event("a") == {}


def test_a_neighbour_of_a_flood(counted: HeraldServer, key: str, clients: Clients) -> None:
    """What one client sends is not counted against another, though both come from one address."""
    neighbour = clients.raw(counted, key)
    for number in range(5):
        flooding = clients.raw(counted, key)
        flooding.socket.sendall(join("r") * 2 * MESSAGE_BURST)
        assert flooding.end(SOON) == 1008
        assert counted.post("/events", {"event": "n", "data": {"n": number}}, key).ok
        assert neighbour.receive_event("n") == {"n": number}
        neighbour.join(f"room {number}")
