"""Who joins and leaves, as it is told in one process."""

from pathlib import Path

import pytest

from logger_lib import JsonObject, JsonValue
from tests.presence.conftest import JOINED, LEFT, next_change, next_sid, watch
from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, new_app, object_in, refused_fields
from webapp.access.scopes import Scope
from webapp.names import HITS_ROOM, PRESENCE
from webapp.presence.watching import MAX_WATCHED_BY_APP


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of the test's own."""
    return new_app(herald)


def test_who_joins_and_leaves_is_told(app: App) -> None:
    """By ``join`` and ``leave``, and at the end of a socket; once each, to all watchers."""
    token = object_in(app.post("/tokens", {"rooms": ["orders"], "subject": "ada"}))["token"]
    with (
        watch(app.server, app.key, "orders") as watching,
        watch(app.server, app.key, "orders") as another,
    ):
        with SocketClient(app.server.url, str(token), "orders") as ada:
            ada_sid = ada.sid
            ada.call("join", {"room": "orders"})
            ada.call("leave", {"room": "orders"})
            ada.call("leave", {"room": "orders"})
            ada.call("join", {"room": "orders"})
        with app.connect("elsewhere", "orders") as keyed:
            keyed_sid = keyed.sid
        for client in (watching, another):
            name, first = next_change(client)
            host = first["host"]
            told: JsonObject = {"room": "orders", "sid": ada_sid, "subject": "ada", "host": host}
            assert (name, first) == (JOINED, told)
            assert host
            assert [next_change(client) for _ in range(3)] == [
                (LEFT, told),
                (JOINED, told),
                (LEFT, told),
            ]
            about: JsonObject = {**told, "sid": keyed_sid, "subject": None}
            assert [next_change(client), next_change(client)] == [(JOINED, about), (LEFT, about)]


def test_only_who_watches_is_told(app: App) -> None:
    """Neither another app's watchers, nor those of another room, nor who has left off."""
    other = new_app(app.server)
    with (
        watch(app.server, app.key, "orders") as watching,
        watch(app.server, other.key, "orders") as stranger,
        watch(app.server, app.key, "order") as elsewhere,
        app.connect("orders") as inside,
    ):
        assert next_sid(watching) == (JOINED, inside.sid)
        assert watching.call("leave", {"room": PRESENCE + "orders"}) == {
            "ok": True,
            "room": PRESENCE + "orders",
        }
        with app.connect("orders"):
            app.publish("last", {})
            for client in (watching, elsewhere, inside):
                assert client.events_until("last") == []
        other.publish("last", {})
        assert stranger.events_until("last") == []


def test_a_watcher_is_a_socket_like_others(app: App) -> None:
    """Who watches a room and joins it is told of that, too; its end is told to the others."""
    with watch(app.server, app.key, "orders") as watching:
        with app.connect(PRESENCE + "orders", "orders") as both:
            sid = both.sid
            assert next_sid(both) == next_sid(watching) == (JOINED, sid)
        assert next_sid(watching) == (LEFT, sid)


def test_who_may_watch(herald: HeraldServer) -> None:
    """A key of scope read, or a room token of one that names the presence room, by no pattern."""
    name = "presence for some"
    deaf = App(herald, herald.issue_key(Scope.SUBSCRIBE, app=name))
    reading = App(herald, herald.issue_key(Scope.SUBSCRIBE, Scope.READ, app=name))
    room = PRESENCE + "orders"
    for token in (reading.key, room_token(reading, room)):
        assert join(herald, token, room) == {"ok": True, "room": room}
    patterns = [room_token(reading, "h*"), room_token(reading, PRESENCE + "*")]
    for token in (deaf.key, room_token(deaf, room), room_token(reading, "orders"), *patterns):
        error_in(join(herald, token, room), "forbidden")


@pytest.mark.parametrize("room", [PRESENCE, PRESENCE + HITS_ROOM, PRESENCE * 2 + "a", "herald:x"])
def test_what_cannot_be_watched(app: App, room: str) -> None:
    """Herald's own rooms, and no room at all."""
    error_in(join(app.server, app.key, room), "validation_failed")


def test_nobody_publishes_what_looks_alike(app: App) -> None:
    """Neither the events nor the rooms can be published."""
    bodies: list[JsonObject] = [
        {"event": JOINED, "data": {}},
        {"event": "x", "data": {}, "room": PRESENCE + "orders"},
    ]
    for body in bodies:
        assert refused_fields(app.post("/events", body))


def test_an_open_server_tells_nobody(tmp_path: Path) -> None:
    """Where anyone may connect, who has no key does not see who is there."""
    with HeraldServer(tmp_path / "open", {"SOCKET_AUTH": "open"}) as server:
        error_in(join(server, None, PRESENCE + "orders"), "forbidden")


def test_so_many_rooms_of_an_app_are_watched(app: App) -> None:
    """One more is refused until another one is left; one that is watched may be watched by all."""
    names = [f"{PRESENCE}{number}" for number in range(MAX_WATCHED_BY_APP)]
    with app.connect(*names[:100]), app.connect(*names[100:]) as second, app.connect() as third:
        error_in(third.call("join", {"room": PRESENCE + "one more"}), "limit_reached")
        assert third.call("join", {"room": names[0]}) == {"ok": True, "room": names[0]}
        second.call("leave", {"room": names[-1]})
        answer = third.call("join", {"room": PRESENCE + "one more"})
        assert answer == {"ok": True, "room": PRESENCE + "one more"}


def test_who_recovers_has_left_and_joins(app: App) -> None:
    """When its connection ends it has left; when it is back it has joined, by the same sid."""
    with (
        watch(app.server, app.key, "orders") as watching,
        NodeProcess() as node,
    ):
        socket = node.open(
            app.server.url,
            app.key,
            ["websocket"],
            recovery=True,
            reconnectionDelay=20,
            reconnectionDelayMax=200,
        )
        sid = socket.connected()
        socket.join("orders")
        assert next_sid(watching) == (JOINED, sid)
        socket.drop()
        assert socket.came_back()
        assert next_sid(watching) == (LEFT, sid)
        assert next_sid(watching) == (JOINED, sid)


def room_token(app: App, room: str) -> str:
    answer = app.post("/tokens", {"rooms": [room]})
    assert answer.status_code == 201, answer.text
    return str(object_in(answer)["token"])


def join(server: HeraldServer, token: str | None, room: str) -> JsonValue:
    with SocketClient(server.url, token) as client:
        return client.call("join", {"room": room})
