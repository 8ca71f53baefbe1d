"""The Socket.IO protocol, version 5: the 32 cases of its own test suite, on Herald's engine.

``protocol_app`` is the server. Its wall clock leaps to and fro all along. The cases are those of
``docs/socket.io-protocol/v5-test-suite`` in socketio/socket.io, written anew.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
import requests

from tests.realtime.protocol_options import (
    CONNECT_TIMEOUT,
    MAX_PAYLOAD,
    NAMESPACES,
    PING_INTERVAL,
    PING_TIMEOUT,
)
from tests.services.herald import HeraldServer
from tests.services.sockets import BINARY, CLOSE, TEXT, WEBSOCKET_PATH, Frame, RawWebSocket

QUERY = "EIO=4&transport=polling"
SECONDS = 5.0
SLACK = 0.15
"""What a busy machine may add to a time."""

TWO_PARTS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """The server that the suite asks for."""
    server = HeraldServer(tmp_path_factory.mktemp("protocol"))
    try:
        server.start("tests.realtime.protocol_app:app")
        yield server
        assert "Traceback" not in server.log_text()
    finally:
        assert server.stop() == 0


@pytest.fixture
def engine(server: HeraldServer) -> Iterator["Engine"]:
    """Clients of the server that end with the test."""
    with ExitStack() as stack:
        yield Engine(server, stack)


class Engine:
    """Opens connections of one server."""

    def __init__(self, server: HeraldServer, stack: ExitStack) -> None:
        self._port = server.port
        self._url = f"{server.url}/socket.io/"
        self._stack = stack
        # One connection for all requests: what was sent on it before has been read before.
        self._http = stack.enter_context(requests.Session())

    def get(self, query: str, method: str = "GET", body: bytes = b"") -> requests.Response:
        """Send a request and return the answer."""
        return self._http.request(method, f"{self._url}?{query}", data=body, timeout=SECONDS)

    def poll(self, sid: str) -> requests.Response:
        """Poll."""
        return self.get(f"{QUERY}&sid={sid}")

    def waiting_poll(self, sid: str) -> HTTPConnection:
        """Begin a poll and return once the server has it."""
        client = HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        self._stack.callback(client.close)
        client.request("GET", f"/socket.io/?{QUERY}&sid={sid}")
        self.await_reading()
        return client

    def await_reading(self) -> None:
        """Return once the server has read what was sent to it before."""
        # The loop takes all that has come before it waits anew, so that the second of two
        # requests is answered after it.
        for _ in range(2):
            assert self.get("EIO=4").status_code == 400

    def post(self, sid: str, body: bytes) -> requests.Response:
        """Send packets."""
        return self.get(f"{QUERY}&sid={sid}", "POST", body)

    def polling_session(self) -> str:
        """Open a session by polling; return its id."""
        return str(json.loads(self.get(QUERY).text[1:])["sid"])

    def websocket(self, query: str = "EIO=4&transport=websocket") -> RawWebSocket:
        """Begin a WebSocket, whose answer is still to be read."""
        client = RawWebSocket(self._port, path=f"/socket.io/?{query}")
        return self._stack.enter_context(client)

    def open(self) -> RawWebSocket:
        """Return a WebSocket that has got its OPEN packet."""
        return self.websocket().open()

    def connected(self) -> RawWebSocket:
        """Return a WebSocket in the main namespace that has got its first event."""
        client = self.open()
        client.send_text("40")
        assert packet(client).startswith('40{"sid":')
        assert packet(client) == '42["auth",{}]'
        return client

    def upgrade(self, sid: str) -> RawWebSocket:
        """Open the WebSocket that the polling session ``sid`` is to change over to."""
        client = self.websocket(f"EIO=4&transport=websocket&sid={sid}")
        assert client.answer()[0] == 101
        return client


def next_frame(client: RawWebSocket) -> Frame:
    """Return the next message that is no ping; answer those."""
    while (received := client.receive()) == Frame(TEXT, b"2"):
        client.send_text("3")
    return received


def packet(client: RawWebSocket) -> str:
    """Return the next packet that is no ping."""
    return next_frame(client).text


def check_handshake(text: str, upgrades: list[str]) -> None:
    """Hold that ``text`` is the OPEN packet that the suite asks for."""
    assert text[0] == "0"
    opened = json.loads(text[1:])
    assert isinstance(opened.pop("sid"), str)
    assert opened == {
        "upgrades": upgrades,
        "pingInterval": PING_INTERVAL * 1000,
        "pingTimeout": PING_TIMEOUT * 1000,
        "maxPayload": MAX_PAYLOAD,
    }


# The handshake of Engine.IO


def test_polling_opens(engine: Engine) -> None:
    """Polling opens a session with exactly the five values, and offers the WebSocket."""
    answer = engine.get(QUERY)
    assert answer.status_code == 200
    check_handshake(answer.text, ["websocket"])


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling"])
def test_polling_in_another_version(engine: Engine, query: str) -> None:
    """A handshake without ``EIO=4`` is answered 400."""
    assert engine.get(query).status_code == 400


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc"])
def test_polling_by_another_transport(engine: Engine, query: str) -> None:
    """A handshake that names no transport, or none that there is, is answered 400."""
    assert engine.get(query).status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_polling_by_another_method(engine: Engine, method: str) -> None:
    """A handshake is a GET; with another method it is answered 400."""
    assert engine.get(QUERY, method).status_code == 400


def test_websocket_opens(engine: Engine) -> None:
    """A WebSocket opens a session with the same values, and offers nothing to change to."""
    client = engine.websocket()
    assert client.answer()[0] == 101
    check_handshake(client.receive().text, [])


@pytest.mark.parametrize("query", ["transport=websocket", "EIO=abc&transport=websocket"])
def test_websocket_in_another_version(engine: Engine, query: str) -> None:
    """A WebSocket without ``EIO=4`` is not opened."""
    assert engine.websocket(query).answer()[0] == 400


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc"])
def test_websocket_by_another_transport(engine: Engine, query: str) -> None:
    """A WebSocket under another name is not opened."""
    assert engine.websocket(query).answer()[0] == 400


# Its heartbeat


def test_polling_is_pinged(engine: Engine) -> None:
    """A polling client that answers is pinged again and again."""
    sid = engine.polling_session()
    for _ in range(3):
        answer = engine.poll(sid)
        assert (answer.status_code, answer.text) == (200, "2")
        assert engine.post(sid, b"3").status_code == 200


def test_polling_times_out(engine: Engine) -> None:
    """A polling client that answers no ping is unknown once interval and timeout are over."""
    started = time.monotonic()
    sid = engine.polling_session()
    assert engine.poll(sid).text == "2"
    pinged = time.monotonic()
    assert engine.poll(sid).text == "1"
    closed = time.monotonic()
    assert PING_TIMEOUT - SLACK < closed - pinged < PING_TIMEOUT + SLACK
    assert closed - started < PING_INTERVAL + PING_TIMEOUT + SLACK
    assert engine.poll(sid).status_code == 400


def test_websocket_is_pinged(engine: Engine) -> None:
    """A WebSocket that answers is pinged again and again."""
    client = engine.open()
    for _ in range(3):
        assert client.receive().text == "2"
        client.send_text("3")


def test_websocket_times_out(engine: Engine) -> None:
    """A WebSocket that answers no ping is closed once interval and timeout are over."""
    started = time.monotonic()
    client = engine.open()
    assert client.receive().text == "2"
    pinged = time.monotonic()
    assert client.end(SECONDS) == 1000
    closed = time.monotonic()
    assert PING_TIMEOUT - SLACK < closed - pinged < PING_TIMEOUT + SLACK
    assert closed - started < PING_INTERVAL + PING_TIMEOUT + SLACK


def test_an_answering_client_stays(engine: Engine) -> None:
    """Who answers stays for as long as it likes, whatever the wall clock does."""
    client = engine.connected()
    until = time.monotonic() + 4 * (PING_INTERVAL + PING_TIMEOUT)
    while time.monotonic() < until:
        assert client.receive().text == "2"
        client.send_text("3")
    client.send_text('42["message",1]')
    assert packet(client) == '42["message-back",1]'


# Its close


def test_polling_is_closed(engine: Engine) -> None:
    """A polling client that closes has its poll answered with a NOOP, and is unknown then."""
    sid = engine.polling_session()
    polled = engine.waiting_poll(sid)
    assert engine.post(sid, b"1").status_code == 200
    answer = polled.getresponse()
    assert (answer.status, answer.read()) == (200, b"6")
    assert engine.poll(sid).status_code == 400


def test_websocket_is_closed(engine: Engine) -> None:
    """A client that sends CLOSE has its WebSocket closed."""
    client = engine.open()
    client.send_text("1")
    assert client.end(SECONDS) == 1000


def test_two_polls_at_once(engine: Engine) -> None:
    """A second poll beside one that hangs is answered 400, the first with CLOSE."""
    sid = engine.polling_session()
    polled = engine.waiting_poll(sid)
    assert engine.poll(sid).status_code == 400
    answer = polled.getresponse()
    assert (answer.status, answer.read()) == (200, b"1")
    assert engine.poll(sid).status_code == 400


# Its upgrade from polling to WebSocket


def test_upgrade(engine: Engine) -> None:
    """A probe is answered, and after UPGRADE the WebSocket carries the session."""
    sid = engine.polling_session()
    client = engine.upgrade(sid)
    client.send_text("2probe")
    assert client.receive().text == "3probe"
    client.send_text("5")
    client.send_text("40")
    assert packet(client).startswith('40{"sid":')


def test_polling_after_the_upgrade(engine: Engine) -> None:
    """A poll of a session that has changed over is answered 400."""
    sid = engine.polling_session()
    client = engine.upgrade(sid)
    client.send_text("2probe")
    client.send_text("5")
    engine.await_reading()
    assert engine.poll(sid).status_code == 400
    client.send_text("40")
    assert client.receive().text == "3probe"
    assert packet(client).startswith('40{"sid":')


@pytest.mark.parametrize("sent", [[], ["2probe"], ["2probe", "5"]])
def test_second_upgrade(engine: Engine, sent: list[str]) -> None:
    """A second WebSocket of a session is refused, whatever the first has said."""
    sid = engine.polling_session()
    client = engine.upgrade(sid)
    for text in sent:
        client.send_text(text)
    assert engine.websocket(f"{WEBSOCKET_PATH.partition('?')[2]}&sid={sid}").answer()[0] == 400
    for text in ["2probe", "5"][len(sent) :]:
        client.send_text(text)
    client.send_text("40")
    assert client.receive().text == "3probe"
    assert packet(client).startswith('40{"sid":')


# CONNECT of Socket.IO


@pytest.mark.parametrize("auth", ["", '{"token":"123"}'])
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_connect(engine: Engine, namespace: str, auth: str) -> None:
    """CONNECT is answered with the socket's id and nothing else; the handler gets the payload."""
    prefix = "" if namespace == "/" else f"{namespace},"
    client = engine.open()
    client.send_text(f"40{prefix}{auth}")
    answer = packet(client)
    assert answer.startswith(f"40{prefix}{{")
    opened = json.loads(answer[2 + len(prefix) :])
    assert isinstance(opened.pop("sid"), str)
    assert opened == {}
    assert packet(client) == f'42{prefix}["auth",{auth or "{}"}]'


@pytest.mark.parametrize("sent", ["40/random", "40/random,"])
def test_unknown_namespace(engine: Engine, sent: str) -> None:
    """An unknown namespace is refused with an object that says so."""
    client = engine.open()
    client.send_text(sent)
    assert packet(client) == '44/random,{"message":"Invalid namespace"}'


def test_invalid_connect(engine: Engine) -> None:
    """What is no packet ends the connection before a CONNECT."""
    client = engine.open()
    client.send_text("4abc")
    assert client.end(SECONDS) == 1002


def test_no_connect(engine: Engine) -> None:
    """A connection that is pinged but never sends CONNECT is closed in time."""
    started = time.monotonic()
    client = engine.open()
    while (received := client.receive()).opcode != CLOSE:
        if received.text == "1":
            break
        assert received.text == "2"
        client.send_text("3")
    assert CONNECT_TIMEOUT - SLACK < time.monotonic() - started < CONNECT_TIMEOUT + 2 * SLACK


# Its DISCONNECT


def test_disconnect(engine: Engine) -> None:
    """DISCONNECT leaves the namespace and keeps the connection, which is pinged on."""
    client = engine.connected()
    client.send_text("41")
    assert client.receive().text == "2"


def test_disconnect_from_one_namespace(engine: Engine) -> None:
    """Leaving one namespace leaves the other one as it is."""
    client = engine.connected()
    client.send_text("40/custom")
    assert packet(client).startswith('40/custom,{"sid":')
    assert packet(client) == '42/custom,["auth",{}]'
    client.send_text("41/custom")
    client.send_text('42["message","message to main namespace"]')
    assert packet(client) == '42["message-back","message to main namespace"]'


# Its messages


def test_message(engine: Engine) -> None:
    """An event's arguments arrive and come back as they were."""
    client = engine.connected()
    client.send_text('42["message",1,"2",{"3":[true]}]')
    assert packet(client) == '42["message-back",1,"2",{"3":[true]}]'


def test_message_with_ack(engine: Engine) -> None:
    """An event with an id is acknowledged with what its handler returns."""
    client = engine.connected()
    client.send_text('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert packet(client) == '43456[1,"2",{"3":[false]}]'


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ('452-["message",', '452-["message-back",'),
        ('452-789["message-with-ack",', "462-789["),
    ],
)
def test_binary(engine: Engine, sent: str, answer: str) -> None:
    """Binary arguments come back in frames of their own, right after their event."""
    client = engine.connected()
    client.send_text(sent + TWO_PARTS)
    client.send_frame(BINARY, b"\1\2\3")
    client.send_frame(BINARY, b"\4\5\6")
    assert packet(client) == answer + TWO_PARTS
    assert next_frame(client) == Frame(BINARY, b"\1\2\3")
    assert next_frame(client) == Frame(BINARY, b"\4\5\6")


def test_binary_by_polling(engine: Engine) -> None:
    """A polling client's binary arguments come back in base64."""
    sid = engine.polling_session()
    assert engine.post(sid, b"40").status_code == 200
    received = engine.poll(sid).text
    body = ('451-["message",{"_placeholder":true,"num":0}]' + "\x1ebAQID").encode()
    assert engine.post(sid, body).status_code == 200
    while "bAQID" not in received:
        received += "\x1e" + engine.poll(sid).text
    assert received.endswith('451-["message-back",{"_placeholder":true,"num":0}]\x1ebAQID')


@pytest.mark.parametrize(
    "sent", ["4abc", "42{}", '42abc["message-with-ack",1,"2",{"3":[false]}]', "4", "49"]
)
def test_invalid_packet(engine: Engine, sent: str) -> None:
    """A packet that cannot be read ends the connection."""
    client = engine.connected()
    client.send_text(sent)
    assert client.end(SECONDS) == 1002
