"""Crowds that come back at once, clients that lag behind, and what is too much to be kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import requests

from logger_lib import JsonObject, JsonValue
from tests.recovery.conftest import EVENT, App, got, numbers
from tests.recovery.returning import Returning
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess
from webapp.access.scopes import Scope

CROWD = 200
EVENTS = 150
LAST = 1_000_000


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What ends with the test."""
    with ExitStack() as entered:
        yield entered


class Publishing:
    """Publishes one event after the other, to all and to a room in turn, in a thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._enough.is_set():
            where: dict[str, JsonValue] = {"room": "ours"} if self.count % 2 else {}
            self._app.publish(self.count + 1, **where)
            self.count += 1


def test_all_at_once(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A crowd that is cut off and comes back, thrice, under load: nothing lost, nothing doubled."""
    crowd = [stack.enter_context(Returning(server.port, app.key)) for _ in range(CROWD)]
    for client in crowd:
        client.come("ours")
    with Publishing(app) as publishing:
        for _ in range(3):
            seen = publishing.count
            wait_until(lambda: publishing.count >= seen + EVENTS // 3, "events", 60)  # noqa: B023
            for client in crowd:
                client.vanish()
            for client in crowd:
                client.come()
    app.publish(LAST)
    expected = [*range(1, publishing.count + 1), LAST]
    given = lost = doubled = unrecovered = 0
    for client in crowd:
        got_by = client.read_to(LAST)
        given += len(got_by)
        lost += len(set(expected) - set(got_by))
        doubled += len(got_by) - len(set(got_by))
        unrecovered += not client.recovered
        assert got_by == sorted(got_by)
    print(
        f"\n{CROWD} clients came back 3 times during {publishing.count} events:"
        f" {given} given, {lost} lost, {doubled} doubled, {unrecovered} not recovered"
    )
    assert (lost, doubled, unrecovered) == (0, 0, 0)


def test_more_than_is_kept(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Where the history was cut, a client is told that it begins anew, and gets no part of it."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    client.vanish()
    body = b'{"event":"%b","data":{"n":1,"text":"%b"}}' % (EVENT.encode(), b"x" * 900_000)
    for _ in range(40):
        assert server.post_raw("/events", body, app.key).status_code == 202
    pid = client.pid
    assert not client.come().recovered
    assert client.pid != pid
    app.publish(7)
    assert client.read_to(7) == [7]


def test_quiet_in_a_busy_app(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who answers pings has seen all until then, though no event was for it and many were cut."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    body = b'{"event":"%b","data":{"n":1,"text":"%b"},"room":"theirs"}'
    heavy = body % (EVENT.encode(), b"x" * 900_000)
    for _ in range(40):
        assert server.post_raw("/events", heavy, app.key).status_code == 202
    client.answer_ping()
    client.vanish()
    app.publish(2, room="ours")
    assert client.come().recovered
    assert client.read_to(2) == [2]


def test_a_lot_to_catch_up(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """More than may wait for a socket at once is given as the client reads it."""
    client = stack.enter_context(Returning(server.port, app.key)).come()
    client.vanish()
    text = "x" * 100_000
    for number in range(1, 101):
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}}
        assert server.post("/events", body, app.key).status_code == 202
    assert client.come().recovered
    # Published while it is behind: it hears it in its place.
    app.publish(101)
    assert client.read_to(101) == list(range(1, 102))


def test_a_short_queue(tmp_path: Path) -> None:
    """Where next to nothing may wait for a socket, it catches up all the same."""
    with HeraldServer(tmp_path, {"SOCKET_QUEUE_BYTES": "1024"}) as server:
        app = App(server, "default", server.first_key)
        with Returning(server.port, app.key).come() as client:
            client.vanish()
            text = "x" * 20_000
            for number in range(1, 301):
                body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}}
                assert server.post("/events", body, app.key).status_code == 202
            assert client.come().recovered
            assert client.read_to(300) == list(range(1, 301))


def test_taken_over_while_it_catches_up(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A client whose new connection fails as well comes by a third one, which takes over."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    client.vanish()
    text = "x" * 900_000
    for number in range(1, 21):
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}, "room": "ours"}
        assert server.post("/events", body, app.key).status_code == 202
    stuck = [stack.enter_context(Returning(server.port, app.key)) for _ in range(3)]
    for each in stuck:
        each.pid, each.offset = client.pid, client.offset
        # It is let in, and reads nothing of what follows.
        each.begin().read_one()
        assert each.recovered
    assert client.come().recovered
    assert app.recipients(21, room="ours") <= 1
    assert client.read_to(21) == list(range(1, 22))
    assert app.recipients(22, room="ours") == 1
    assert [each.close_code() for each in stuck] == [1000, 1000, 1000]


def test_cut_off_as_it_was_slow(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who did not read, and was disconnected for that, may come back for all of it."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    text, number = "x" * 900_000, 0
    while True:
        number += 1
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}, "room": "ours"}
        if not server.post("/events", body, app.key).json()["recipients"]:
            break
        assert number < 30
    client.vanish()
    assert client.come().recovered
    assert client.read_to(number) == list(range(1, number + 1))


def test_a_lot_by_polling(
    app: App, server: HeraldServer, node: NodeProcess, proxy: FaultProxy
) -> None:
    """By long polling it takes several polls, and is as whole."""
    socket = app.open(node, ["polling"], through=proxy)
    socket.connected()
    proxy.cut()
    socket.wait_for("disconnect")
    text = "x" * 50_000
    for number in range(1, 61):
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}}
        assert server.post("/events", body, app.key).status_code == 202
    proxy.heal()
    assert socket.came_back()
    got(socket, list(range(1, 61)))


def test_gone_while_it_catches_up(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who goes again before it has read all comes back to the place where it was."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    client.vanish()
    text = "x" * 100_000
    for number in range(1, 61):
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}, "room": "ours"}
        assert server.post("/events", body, app.key).status_code == 202
    for number in (7, 20, 43):
        assert client.come().recovered
        while client.numbers[-1:] != [number]:
            client.read_one()
        client.vanish()
    assert client.come().recovered
    assert app.recipients(61, room="ours") <= 1
    assert client.read_to(61) == list(range(1, 62))
    assert app.recipients(62, room="ours") == 1


def test_revoked_while_it_catches_up(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A client that reads slowly does not go on getting what it missed when its key is revoked."""
    key = server.issue_key(Scope.SUBSCRIBE, app=app.name)
    slow = stack.enter_context(Returning(server.port, key)).come()
    slow.vanish()
    text, count = "x" * 150_000, 150
    for number in range(1, count + 1):
        body: JsonObject = {"event": EVENT, "data": {"n": number, "text": text}}
        assert server.post("/events", body, app.key).status_code == 202
    watching = stack.enter_context(Returning(server.port, key)).come()
    slow.come()
    server.revoke_key(key)
    for client in (watching, slow):
        while "herald.ended" not in client.news:
            client.read_one()
    assert slow.numbers == list(range(1, len(slow.numbers) + 1))
    assert len(slow.numbers) < count


def test_its_time_is_over(tmp_path: Path) -> None:
    """Within RECOVERY_SECONDS everybody comes back, and after them nobody."""
    with HeraldServer(tmp_path, {"RECOVERY_SECONDS": "2"}) as server:
        app = App(server, "default", server.first_key)
        with Returning(server.port, app.key) as client:
            client.come()
            client.vanish()
            assert client.come().recovered
            client.vanish()
            gone_at = time.monotonic()
            # Nothing tells from outside when a session ends, and to ask for it would renew it.
            wait_until(lambda: time.monotonic() > gone_at + 2.5, "the end of its time")
            assert not client.come().recovered


def test_what_was_given_is_in_the_log(app: App, server: HeraldServer, node: NodeProcess) -> None:
    """What a client gets when it is back is in the log as a delivery of that event."""
    reader = server.issue_key(Scope.READ, app=app.name)
    socket = app.open(node, ["websocket"])
    sid = socket.connected()
    socket.join("ours")
    socket.drop()
    event_id = str(app.publish(1, room="ours")["id"])
    assert socket.came_back()
    got(socket, [1])
    assert numbers(socket) == [1]

    def told() -> list[str]:
        answer = requests.get(
            f"{server.url}/events/{event_id}",
            headers={"Authorization": f"Bearer {reader}"},
            timeout=5,
        ).json()
        return [delivery["sid"] for delivery in answer.get("deliveries", [])]

    wait_until(lambda: told() == [sid], "the delivery in the log")
