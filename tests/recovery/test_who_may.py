"""Who may come back, and to what: never to another's session, nor to more than their token."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from logger_lib import JsonValue
from tests.recovery.conftest import App
from tests.recovery.returning import Returning
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess
from webapp.access.scopes import Scope


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What ends with the test."""
    with ExitStack() as entered:
        yield entered


def tokens(app: App, *rooms: str, subject: str | None = None) -> str:
    """Return a room token for ``rooms``."""
    body: dict[str, JsonValue] = {"rooms": list(rooms)}
    if subject is not None:
        body["subject"] = subject
    answer = app.server.post("/tokens", body, app.key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.fixture
def other(server: HeraldServer) -> App:
    """Another app on the same server."""
    name = uuid.uuid4().hex
    return App(server, name, server.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app=name))


def test_another_apps_session(app: App, other: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who knows the pid and the offset of another app's socket gets nothing of it."""
    victim = stack.enter_context(Returning(server.port, app.key)).come("ours")
    app.publish(1, room="ours")
    victim.read_to(1)
    victim.vanish()
    app.publish(2, room="ours")
    thief = stack.enter_context(Returning(server.port, other.key))
    for offset in (victim.offset, "", victim.offset.rsplit(".", 1)[0] + ".0-0"):
        thief.pid, thief.offset = victim.pid, offset
        thief.come()
        assert not thief.recovered
        assert thief.sid != victim.sid
        assert other.recipients(7) == 1
        assert thief.read_to(7) == [7]
        thief.numbers.clear()
        thief.vanish()
    # It was no help to the thief, and no harm to its owner.
    victim.come()
    assert victim.recovered
    assert victim.read_to(2) == [1, 2]


def test_another_key_of_the_app(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A session is for the key that it was begun with."""
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    client.vanish()
    client.auth["token"] = server.issue_key(Scope.SUBSCRIBE, app=app.name)
    assert not client.come().recovered


def test_revoked_while_away(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who comes back with a key that was revoked is refused, as everybody is."""
    key = server.issue_key(Scope.SUBSCRIBE, app=app.name)
    client = stack.enter_context(Returning(server.port, key)).come("ours")
    client.vanish()
    server.revoke_key(key)
    wait_until(lambda: client.come().refusal is not None, "a refusal")
    app.publish(1, room="ours")
    assert client.numbers == []


def test_token_over_while_away(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who comes back with a room token that is over is refused, and recovers with the next one."""
    body: dict[str, JsonValue] = {"rooms": ["news"], "subject": "ada", "ttl": 2}
    token = str(server.post("/tokens", body, app.key).json()["token"])
    over_at = time.time() + 3.0
    client = stack.enter_context(Returning(server.port, token)).come("news")
    client.vanish()
    app.publish(1, room="news")
    wait_until(lambda: time.time() > over_at, "the end of the token")
    assert client.come().refusal is not None
    client.auth["token"] = tokens(app, "news", subject="ada")
    assert client.come().recovered
    assert client.read_to(1) == [1]


def test_ended_for_a_revoked_key(app: App, server: HeraldServer, node: NodeProcess) -> None:
    """A socket that was ended for its key has no session any more."""
    key = server.issue_key(Scope.SUBSCRIBE, app=app.name)
    socket = app.open(node, ["websocket"], token=key)
    socket.connected()
    server.revoke_key(key)
    assert socket.wait_for("disconnect") == ["io server disconnect"]
    assert len(socket.received("herald.ended")) == 1


def test_a_token_that_allows_less(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Rooms that the new token does not allow are left out, with what was published to them."""
    token = tokens(app, "order.*", "news", subject="ada")
    client = stack.enter_context(Returning(server.port, token)).come("order.7", "news")
    client.vanish()
    for number, room in enumerate(("order.7", "news", "order.8"), 1):
        app.publish(number, room=room)
    client.auth["token"] = tokens(app, "news", "order.8", subject="ada")
    assert client.come().recovered
    assert client.read_to(2) == [2]
    assert [app.recipients(n, room=room) for n, room in ((4, "order.7"), (5, "news"))] == [0, 1]
    assert client.read_to(5) == [2, 5]
    assert client.ask("join", room="order.8") == {"ok": True, "room": "order.8"}


def test_another_subjects_token(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A session is for the subject of the token that it was begun with."""
    token = tokens(app, "news", subject="ada")
    client = stack.enter_context(Returning(server.port, token)).come("news")
    client.vanish()
    for token in (tokens(app, "news", subject="eve"), tokens(app, "news"), app.key):
        pid = client.pid
        client.auth["token"] = token
        assert not client.come().recovered
        client.vanish()
        client.pid = pid


def test_rooms_of_before_a_join(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """What a room was sent before it was joined does not come with what was missed.

    Nor what one was sent between its leaving and the next joining, or since it was left.
    """
    client = stack.enter_context(Returning(server.port, app.key)).come("first", "again", "left")
    client.ask("leave", room="left")
    client.ask("leave", room="again")
    for room in ("second", "again", "left"):
        app.publish(1, room=room)
    client.ask("join", room="second")
    client.ask("join", room="again")
    client.vanish()
    app.publish(3, room="left")
    app.publish(2, room="second")
    assert client.come().recovered
    assert client.read_to(2) == [2]


def test_the_room_of_hits(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """A room of Herald's own is joined again by who may; what was shown there is not kept."""
    key = server.issue_key(Scope.SUBSCRIBE, Scope.READ, Scope.COLLECT, app=app.name)
    client = stack.enter_context(Returning(server.port, key)).come("herald:hits")
    client.vanish()
    assert server.post("/analytics/collect", {"event": "seen"}, key).status_code == 202
    assert client.come().recovered
    assert server.post("/analytics/collect", {"event": "live"}, key).status_code == 202
    app.publish(1)
    client.read_to(1)
    assert client.news == ["herald:hit"]


@pytest.mark.parametrize(
    "auth",
    [
        {"recovery": 1},
        {"recovery": "true"},
        {"recovery": None},
        {"recovery": [True]},
    ],
)
def test_no_proper_wish(
    auth: dict[str, JsonValue], app: App, server: HeraldServer, stack: ExitStack
) -> None:
    """Nobody gets a pid who has not asked with ``recovery: true``."""
    client = Returning(server.port, app.key, **auth)
    stack.enter_context(client)
    with pytest.raises(KeyError):
        client.come()


LIES: list[dict[str, JsonValue]] = [
    {"pid": None},
    {"pid": 7},
    {"pid": ["a"]},
    {"pid": "x" * 60_000},
    {"pid": "\u0000"},
    {"pid": "herald:session:*"},
    {"offset": "e.0-0"},
    {"offset": "\u0661.1-0"},
    {"offset": {"a": 1}},
    {"offset": "x" * 60_000},
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_lies(lie: dict[str, JsonValue], app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Whatever a client says of its session, it is let in, with its own or with a new one."""
    client = stack.enter_context(Returning(server.port, app.key)).come()
    client.vanish()
    client.auth |= lie
    client.come()
    assert client.refusal is None
    assert client.recovered is ("offset" in lie)
    assert app.recipients(1) >= 1
    assert client.read_to(1) == [1]


def test_an_offset_ahead(app: App, server: HeraldServer, stack: ExitStack) -> None:
    """Who claims to have seen what is still to come begins anew, and soon."""
    client = stack.enter_context(Returning(server.port, app.key)).come()
    client.vanish()
    epoch, _, _ = client.offset.partition(".")
    client.offset = f"{epoch}.99999999-0"
    assert not client.come().recovered
    app.publish(1)
    assert client.read_to(1) == [1]


def test_switched_off(tmp_path: Path, stack: ExitStack) -> None:
    """With RECOVERY_SECONDS=0 nobody has a session, and no event an extra argument."""
    server = stack.enter_context(HeraldServer(tmp_path, {"RECOVERY_SECONDS": "0"}))
    app = App(server, "default", server.first_key)
    client = stack.enter_context(Returning(server.port, app.key))
    with pytest.raises(KeyError):
        client.come()
    app.publish(1)
    assert client.read_to(1) == [1]
    assert (client.sid, client.offset) == ("", "")


def test_the_last_place(tmp_path: Path, stack: ExitStack) -> None:
    """In a full house a client that is back has the place of its own dead connection."""
    server = stack.enter_context(HeraldServer(tmp_path, {"MAX_SOCKETS": "1"}))
    app = App(server, "default", server.first_key)
    client = stack.enter_context(Returning(server.port, app.key)).come("ours")
    stranger = stack.enter_context(Returning(server.port, app.key)).come()
    assert stranger.refusal is not None
    back = stack.enter_context(Returning(server.port, app.key))
    back.pid, back.offset = client.pid, client.offset
    assert back.come().recovered
    assert app.recipients(1, room="ours") == 1
    assert back.read_to(1) == [1]
