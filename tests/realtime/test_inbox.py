"""What clients send at once: handled in turns, and bounded while it waits."""

from __future__ import annotations

import io
import itertools
import json
import logging
import sys
from collections.abc import Callable
from wsgiref.types import WSGIEnvironment

import eventlet
import pytest
from engineio.packet import MESSAGE, Packet
from eventlet.event import Event

from logger_lib import JsonValue
from tests.realtime.conftest import Clients
from tests.services.herald import HeraldServer
from tests.services.sockets import TEXT, Frame, RawPolling, frame
from webapp.realtime.connection import FLOOD, Connection
from webapp.realtime.engine import MESSAGES_A_TURN, EngineServer
from webapp.realtime.frames import Opcode
from webapp.realtime.inbox import MAX_INBOX_BYTES, MESSAGE_BURST

CLIENTS = 10
SENT = 100
SECONDS = 5.0


class Engine(EngineServer):
    """An engine that nobody serves, and that keeps what it is to handle."""

    def __init__(self) -> None:
        super().__init__(
            async_mode="eventlet", monitor_clients=False, logger=logging.getLogger("test")
        )
        self.handled: list[str] = []
        self.handle: Callable[[str], None] = self.handled.append

    def _trigger_event(
        self,
        event: str,
        sid: str,
        *args: JsonValue | bytes | WSGIEnvironment,
        run_async: bool = False,
    ) -> None:
        del run_async
        if event == "message" and isinstance(args[0], str):
            self.handle(f"{sid} {args[0]}")

    def connect(self, number: int) -> Connection:
        """Return a client that speaks by WebSocket."""
        connection = self.sockets[str(number)] = Connection(self, str(number))
        connection.connected = connection.upgraded = True
        return connection

    def count_turns(self, expected: int) -> list[int]:
        """Return how many messages were handled in each turn of the loop, until all were."""
        counts = [len(self.handled)]
        with eventlet.Timeout(SECONDS):
            while len(self.handled) < expected:
                eventlet.sleep(0)
                counts.append(len(self.handled))
        return [later - earlier for earlier, later in itertools.pairwise(counts)]


@pytest.fixture
def engine() -> Engine:
    """The engine of one test."""
    return Engine()


def in_order(sid: int) -> list[str]:
    return [f"{sid} m{number}" for number in range(SENT)]


def test_bursts_share_a_turn(engine: Engine) -> None:
    """What many clients send at once is handled a few messages a turn, in each one's order."""
    for connection in [engine.connect(number) for number in range(CLIENTS)]:
        for number in range(SENT):
            connection.received((Opcode.TEXT, f"4m{number}".encode()))
    turns = engine.count_turns(CLIENTS * SENT)
    assert max(turns) <= MESSAGES_A_TURN
    for sid in range(CLIENTS):
        assert [text for text in engine.handled if text.startswith(f"{sid} ")] == in_order(sid)
    last = {text.split()[0] for text in engine.handled[: CLIENTS * SENT // 2]}
    assert len(last) == CLIENTS, "one had to wait until another's were all handled"


def test_polling_bursts_share_a_turn(engine: Engine) -> None:
    """The same of what comes by long polling, where a request brings them all."""
    body = "\x1e".join(f"4m{number}" for number in range(SENT)).encode()
    for sid in range(CLIENTS):
        connection = engine.connect(sid)
        connection.upgraded = False
        environ = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        eventlet.spawn(connection.handle_post_request, environ)
    turns = engine.count_turns(CLIENTS * SENT)
    assert max(turns) <= MESSAGES_A_TURN
    for sid in range(CLIENTS):
        assert [text for text in engine.handled if text.startswith(f"{sid} ")] == in_order(sid)


def test_big_messages_take_more_of_a_turn(engine: Engine) -> None:
    """Messages of 64 KiB are handled two at most a turn."""
    for number in range(CLIENTS):
        engine.connect(number).received((Opcode.TEXT, b"4" + b"x" * 65_000))
    assert max(engine.count_turns(CLIENTS)) <= 2


def test_what_waits_is_bounded(engine: Engine) -> None:
    """Who sends on while a message of his is looked into ends at 256 KiB, and all is let go."""
    began, go_on = Event(), Event()

    def wait(_: str) -> None:
        began.send()
        go_on.wait()

    engine.handle = wait
    connection = engine.connect(1)
    connection.received((Opcode.TEXT, b"4first"))
    began.wait()
    payload = b"4" + b"x" * 65_000
    references = sys.getrefcount(payload)
    for _ in range(MAX_INBOX_BYTES // len(payload)):
        connection.received((Opcode.TEXT, payload))
    assert not connection.parting
    connection.received((Opcode.TEXT, payload))
    with eventlet.Timeout(SECONDS):
        while not connection.closed:
            eventlet.sleep(0)
    assert engine.disconnects == {FLOOD: 1}
    assert sys.getrefcount(payload) == references
    go_on.send()


def test_what_nobody_polls_for_is_let_go(engine: Engine) -> None:
    """A polling client's packets do not outlive its session."""
    connection = engine.connect(1)
    connection.upgraded = False
    text = "x" * 1000
    references = sys.getrefcount(text)
    connection.send(Packet(MESSAGE, text))
    assert sys.getrefcount(text) > references
    connection.close()
    assert sys.getrefcount(text) == references


def test_nothing_follows_what_was_lost(engine: Engine) -> None:
    """A polling client that is about to be ended for an event too many gets no later one either."""
    engine.max_pending = 1000
    connection = engine.connect(1)
    connection.upgraded = False
    sent = [connection.send_shared(Packet(MESSAGE, "x" * size), b"") for size in (900, 900, 1)]
    assert sent == [True, False, False]


def test_a_burst_is_answered_in_order(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A client that sends almost all it may at once gets all its answers, one after the other."""
    client = clients.raw(gateway, key)
    count = MESSAGE_BURST - 50
    client.socket.sendall(
        b"".join(
            frame(TEXT, f'42{number}["leave",{{"room":"r"}}]'.encode()) for number in range(count)
        )
    )
    answer = '[{"ok":true,"room":"r"}]'
    for number in range(count):
        assert client.receive() == Frame(TEXT, f"43{number}{answer}".encode())


def test_a_polling_burst_is_answered_in_order(gateway: HeraldServer, key: str) -> None:
    """The same by long polling, in one request."""
    polling = RawPolling(gateway.url)
    polling.login(key)
    count = MESSAGE_BURST - 50
    packets = [f'42{number}["leave",{json.dumps({"room": "r"})}]' for number in range(count)]
    assert polling.post("\x1e".join(packets).encode()).status_code == 200
    answers = polling.poll().text.split("\x1e")
    assert answers == [f'43{number}[{{"ok":true,"room":"r"}}]' for number in range(count)]
    assert polling.post(b"1").status_code == 200
