"""From polling to WebSocket: no event is lost, doubled or out of order at any stage of it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from enum import IntEnum

import pytest
import requests

from logger_lib import JsonValue
from tests.realtime.conftest import ends_by
from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import TEXT, WEBSOCKET_PATH, RawPolling, RawWebSocket, frame
from webapp.access.scopes import Scope
from webapp.realtime.connection import MALFORMED, SLOW

CLIENTS = 50
SECONDS = 5.0
SEPARATOR = "\x1e"


class Stage(IntEnum):
    """How far a client has come; each goes on from one to the next."""

    POLLING = 0
    OPENED = 1
    PROBED = 2
    ANSWERED = 3
    UPGRADED = 4


class Client:
    """A client that upgrades step by step, as ``engine.io-client`` does, and can stop anywhere."""

    def __init__(self, server: HeraldServer, key: str, stack: ExitStack) -> None:
        self._port = server.port
        self._stack = stack
        self._url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        self._http = stack.enter_context(requests.Session())
        opened = self._http.get(self._url, timeout=SECONDS).text
        self._sid = str(json.loads(opened[1:])["sid"])
        self._url += f"&sid={self._sid}"
        self._websocket: RawWebSocket | None = None
        self.stage = Stage.POLLING
        self.numbers: list[int] = []
        self.send("40" + json.dumps({"token": key}))
        self._connected = False
        while not self._connected:
            self.poll()

    @property
    def websocket(self) -> RawWebSocket:
        """The WebSocket that it changes over to."""
        assert self._websocket is not None
        return self._websocket

    def advance(self) -> None:
        """Go one stage further."""
        self.stage = Stage(self.stage + 1)
        if self.stage is Stage.OPENED:
            path = f"{WEBSOCKET_PATH}&sid={self._sid}"
            self._websocket = self._stack.enter_context(RawWebSocket(self._port, path=path))
            assert self.websocket.answer()[0] == 101
        elif self.stage is Stage.PROBED:
            self.websocket.send_text("2probe")
        elif self.stage is Stage.ANSWERED:
            assert self.websocket.receive().text == "3probe"
            self.poll()  # the one that hangs is let go; another is not begun
        else:
            self.websocket.send_text("5")

    def abandon(self) -> None:
        """Give up the upgrade and be a polling client again."""
        if self._websocket is not None:
            self._websocket.cut()
            self._websocket = None
        self.stage = Stage.POLLING

    def send(self, packet: str) -> None:
        """Send a packet by the transport of the stage."""
        if self.stage is Stage.UPGRADED:
            self.websocket.send_text(packet)
        else:
            answer = self._http.post(self._url, data=packet.encode(), timeout=SECONDS)
            assert answer.status_code == 200, answer.text

    def poll(self) -> None:
        """Poll once."""
        answer = self._http.get(self._url, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        for packet in answer.text.split(SEPARATOR):
            self._take(packet)

    def read_until(self, number: int) -> None:
        """Read by the transport of the stage until the event ``number`` has come."""
        while self.numbers[-1:] != [number]:
            if self.stage is Stage.UPGRADED:
                self._take(self.websocket.receive().text)
            else:
                self.poll()

    def _take(self, packet: str) -> None:
        if packet.startswith("40"):
            self._connected = True
        elif packet.startswith("42"):
            name, data = json.loads(packet[2:])
            assert name == "ev"
            self.numbers.append(data["n"])
        else:
            assert packet == "6", packet


@pytest.fixture(scope="module")
def key(gateway: HeraldServer) -> str:
    """A key of an app of these tests' own."""
    return gateway.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app="upgrade")


class Feed:
    """Publishes events that are numbered, each to all of the clients."""

    def __init__(self, server: HeraldServer, key: str) -> None:
        self._server = server
        self._key = key
        self.last = -1

    def publish(self, recipients: int) -> None:
        """Publish the next."""
        self.last += 1
        body: JsonValue = {"event": "ev", "data": {"n": self.last}}
        answer = self._server.post("/events", body, self._key)
        assert answer.json()["recipients"] == recipients


@pytest.fixture
def feed(gateway: HeraldServer, key: str) -> Feed:
    """The events of one test."""
    return Feed(gateway, key)


@pytest.fixture
def upgrading(gateway: HeraldServer, key: str) -> Iterator[list[Client]]:
    """Fifty polling clients."""
    with ExitStack() as stack:
        clients = [Client(gateway, key, stack) for _ in range(CLIENTS)]
        yield clients
        for client in clients:
            client.send("1")


def test_an_event_at_each_stage(upgrading: list[Client], feed: Feed) -> None:
    """Clients at all five stages at once get each event once and in order, up to the last stage."""
    for number, client in enumerate(upgrading):
        for _ in range(number % len(Stage)):
            client.advance()
    feed.publish(CLIENTS)
    while waiting := [client for client in upgrading if client.stage is not Stage.UPGRADED]:
        feed.publish(CLIENTS)
        for client in waiting:
            client.advance()
        feed.publish(CLIENTS)
    feed.publish(CLIENTS)
    for client in upgrading:
        client.read_until(feed.last)
        assert client.numbers == list(range(feed.last + 1))


@pytest.mark.parametrize("polls", [False, True])
def test_an_event_between_all_steps(upgrading: list[Client], feed: Feed, polls: bool) -> None:
    """All clients upgrade in step, with events in between, whether they read meanwhile or not."""
    for stage in list(Stage)[1:]:
        for at, client in enumerate(upgrading):
            client.advance()
            if at % 10 == 0:
                feed.publish(CLIENTS)
        feed.publish(CLIENTS)
        if polls and stage in {Stage.OPENED, Stage.UPGRADED}:
            for client in upgrading:
                client.read_until(feed.last)
    for client in upgrading:
        client.read_until(feed.last)
        assert client.numbers == list(range(feed.last + 1))


@pytest.mark.parametrize("stage", [Stage.OPENED, Stage.PROBED, Stage.ANSWERED])
def test_an_upgrade_that_is_given_up(upgrading: list[Client], feed: Feed, stage: Stage) -> None:
    """Polling goes on where the upgrade was given up, with all that came; another one succeeds."""
    for client in upgrading:
        while client.stage is not stage:
            client.advance()
    feed.publish(CLIENTS)
    for client in upgrading:
        client.abandon()
    feed.publish(CLIENTS)
    for client in upgrading:
        client.read_until(feed.last)
    feed.publish(CLIENTS)
    for client in upgrading:
        while client.stage is not Stage.UPGRADED:
            client.advance()
    feed.publish(CLIENTS)
    for client in upgrading:
        client.read_until(feed.last)
        assert client.numbers == list(range(feed.last + 1))


@pytest.mark.parametrize("sent", [[], ["2probe"]])
def test_an_upgrade_that_takes_too_long(counted: HeraldServer, sent: list[str]) -> None:
    """The WebSocket of an upgrade that is not finished in time is closed, and polling goes on."""
    key = counted.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app="upgrade")
    polling = RawPolling(counted.url)
    polling.login(key)
    with RawWebSocket(counted.port, path=f"{WEBSOCKET_PATH}&sid={polling.sid}") as client:
        assert client.answer()[0] == 101
        for text in sent:
            client.send_text(text)
        assert client.end(SECONDS) == 1008
    assert counted.post("/events", {"event": "ev", "data": {}}, key).json()["recipients"] == 1
    assert polling.poll().text == '42["ev",{}]'
    assert polling.post(b"1").status_code == 200


@pytest.fixture
def half_upgraded(counted: HeraldServer) -> Iterator[tuple[RawPolling, RawWebSocket, str]]:
    """A polling client that has opened a WebSocket and not changed over; its key comes third."""
    key = counted.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app=uuid.uuid4().hex)
    polling = RawPolling(counted.url)
    polling.login(key)
    with RawWebSocket(counted.port, path=f"{WEBSOCKET_PATH}&sid={polling.sid}") as client:
        assert client.answer()[0] == 101
        yield polling, client, key


def test_too_much_waits_during_an_upgrade(
    counted: HeraldServer, half_upgraded: tuple[RawPolling, RawWebSocket, str]
) -> None:
    """Where an event is lost the session ends, on both transports, and everybody is told so."""
    polling, client, key = half_upgraded
    dropped = ends_by(counted, "slow")
    body: JsonValue = {"event": "big", "data": {"text": "x" * 65_536}}
    while counted.post("/events", body, key).json()["recipients"]:
        continue
    assert client.end(SECONDS) == 1013
    wait_until(lambda: ends_by(counted, "slow") == dropped + 1, "the count")
    answer = polling.poll()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == SLOW


@pytest.mark.parametrize("sent", [b"x", b"4x", b"42[]"])
def test_a_malformed_request_during_an_upgrade(
    counted: HeraldServer, half_upgraded: tuple[RawPolling, RawWebSocket, str], sent: bytes
) -> None:
    """It ends the session as at any time, not the upgrade alone."""
    polling, client, _ = half_upgraded
    ended = ends_by(counted, "malformed")
    answers = polling.post(sent), polling.poll()
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == MALFORMED
    assert client.end(SECONDS) == 1002
    assert ends_by(counted, "malformed") == ended + 1


def test_what_is_sent_with_the_handshake(gateway: HeraldServer, key: str) -> None:
    """Frames that came with the request for the WebSocket are read, half ones too."""
    login = frame(TEXT, b"40" + json.dumps({"token": key}).encode())
    for cut in (1, len(login) - 1, len(login)):
        with RawWebSocket(gateway.port, sent_ahead=login[:cut]).open() as client:
            client.socket.sendall(login[cut:])
            assert client.receive().text.startswith("40{")
