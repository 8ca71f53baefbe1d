"""Leaving in order: sockets closed, requests answered, records kept, and in time."""

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess
from tests.services.sockets import RawPolling, RawWebSocket

STUCK = 5
IN_TIME = 6.0
"""Seconds; the promise is 10, for a thousand sockets."""


class Poster:
    """Posts events until the server takes no more, and keeps the ids of what it acknowledged."""

    def __init__(self, server: HeraldServer) -> None:
        self._server = server
        self._key = server.first_key
        self.acknowledged: list[str] = []
        self.unexpected: list[str] = []
        self._thread = threading.Thread(target=self._post)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of it."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _post(self) -> None:
        while True:
            try:
                answer = self._server.post("/events", {"event": "kept", "data": {}}, self._key)
            except requests.ConnectionError:
                return
            if answer.status_code != 202:
                self.unexpected.append(answer.text)
                return
            self.acknowledged.append(answer.json()["id"])


class SlowRequest:
    """A publish whose body is still on its way."""

    def __init__(self, server: HeraldServer) -> None:
        self._body = json.dumps({"event": "kept", "data": {}}).encode()
        self._socket = socket.create_connection(("127.0.0.1", server.port), 10)
        head = (
            f"POST /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.first_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + self._body[:5])

    def finish(self) -> str:
        """Send the rest; return the id of the event, which must have been accepted."""
        self._socket.sendall(self._body[5:])
        answer = b"".join(iter(lambda: self._socket.recv(65536), b""))
        self._socket.close()
        assert answer.startswith(b"HTTP/1.1 202"), answer
        return str(json.loads(answer.split(b"\r\n\r\n")[1])["id"])


@contextmanager
def full_house(server: HeraldServer, websockets: int, polling: int) -> Iterator[None]:
    """Have sockets of every kind connected, some of which do not read and do not go."""
    with ExitStack() as stack:
        for _ in range(websockets):
            stack.enter_context(RawWebSocket(server.port)).open().login(server.first_key)
        for _ in range(polling):
            RawPolling(server.url).login(server.first_key)
        for _ in range(STUCK):
            stuck = stack.enter_context(RawWebSocket(server.port)).open()
            stuck.login(server.first_key)
            stuck.join("stuck")
        # More than the kernel takes for them, and less than they are cut off for.
        for _ in range(3):
            body: JsonObject = {"event": "big", "room": "stuck", "data": {"x": "x" * 900_000}}
            assert server.post("/events", body).json()["recipients"] == STUCK
        yield


def stored_ids(server: HeraldServer) -> list[str]:
    """Return the ids of the events ``kept`` that are in the SQLite file."""
    with closing(sqlite3.connect(server.home / "herald.db")) as database:
        rows = database.execute(EVENTS_STORED).fetchall()
    return [str(row[0]) for row in rows]


EVENTS_STORED = "SELECT event_id FROM event_log WHERE event = 'kept' AND message = 'published'"


def refuses(port: int) -> bool:
    """Say whether nobody listens on ``port`` any more."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True
    return False


def stop_once(server: HeraldServer) -> None:
    """SIGTERM to the master, as ``docker stop`` sends it."""
    server.process.send_signal(signal.SIGTERM)


def stop_twice(server: HeraldServer) -> None:
    """SIGTERM, and again."""
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses(server.port), "the drain")
    server.process.send_signal(signal.SIGTERM)


def stop_all(server: HeraldServer) -> None:
    """SIGTERM to every process at once, and again, as Heroku sends it."""
    pids = [server.process.pid, *server.worker_pids()]
    for pid in pids + pids:
        os.kill(pid, signal.SIGTERM)


def interrupt(server: HeraldServer) -> None:
    """SIGINT to every process, as Ctrl-C in a terminal sends it."""
    for pid in [server.process.pid, *server.worker_pids()]:
        os.kill(pid, signal.SIGINT)


def test_heroku_stops(home: Path) -> None:
    """With 300 sockets of every kind, SIGTERM to all processes ends in order, and in time."""
    _stop_amid_work(home, stop_all, websockets=220, polling=75)


@pytest.mark.parametrize("stop", [stop_once, stop_twice, interrupt])
def test_stop(home: Path, stop: Callable[[HeraldServer], None]) -> None:
    """However it is told to stop, it does so in the same order."""
    _stop_amid_work(home, stop, websockets=10, polling=5)


def _stop_amid_work(
    home: Path, stop: Callable[[HeraldServer], None], *, websockets: int, polling: int
) -> None:
    """Stop while events are posted: those in flight are answered, what was acknowledged is kept."""
    server = HeraldServer(home)
    server.start()
    try:
        with full_house(server, websockets, polling):
            posters = [Poster(server) for _ in range(4)]
            slow = SlowRequest(server)
            wait_until(lambda: all(len(p.acknowledged) > 5 for p in posters), "posts")
            started = time.monotonic()
            stop(server)
            wait_until(lambda: refuses(server.port), "the drain")
            last = slow.finish()
            code = server.process.wait(15)
            seconds = time.monotonic() - started
        for poster in posters:
            poster.join()
    finally:
        server.stop()
    assert code == 0
    assert seconds < IN_TIME, seconds
    assert [text for p in posters for text in p.unexpected] == []
    acknowledged = [last, *(id for p in posters for id in p.acknowledged)]
    assert sorted(stored_ids(server)) == sorted(acknowledged)
    printed = server.log_text()
    assert "Traceback" not in printed, printed[printed.index("Traceback") - 500 :][:3000]
    print(f"{stop.__name__}: {seconds:.2f} s, {len(acknowledged)} events")


def test_clients_come_back(home: Path, node: NodeProcess) -> None:
    """JavaScript clients see the stop as lost transport, and come back to the next server."""
    with HeraldServer(home) as server:
        _stop_and_start(server, node)


def _stop_and_start(server: HeraldServer, node: NodeProcess) -> None:
    key = server.first_key
    options = {"reconnectionDelay": 50, "reconnectionDelayMax": 200}
    websocket = node.open(server.url, key, ["websocket"], **options)
    polling = node.open(server.url, key, ["polling"], **options)
    for client in (websocket, polling):
        client.connected()
    assert server.stop() == 0
    assert websocket.wait_for("disconnect") == ["transport close"]
    assert polling.wait_for("disconnect")[0] in {"transport close", "transport error"}
    server.start()
    for client in (websocket, polling):
        client.wait_for("connect", times=2)
    answer = server.post("/events", {"event": "back", "data": {"n": 1}}, key)
    assert answer.json()["recipients"] == 2
    for client in (websocket, polling):
        assert client.wait_for_events("back", 1) == [{"n": 1}]
