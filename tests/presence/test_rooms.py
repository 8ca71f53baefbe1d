"""``GET /rooms`` and ``GET /rooms/{room}/sockets``, asked of one process."""

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.presence.conftest import ask, rooms_of, sids_in, sockets_in, told
from tests.services.herald import HeraldServer, wait_until
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, new_app, object_in, refused_fields
from webapp.access.scopes import Scope
from webapp.names import HITS_ROOM


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of the test's own."""
    return new_app(herald)


def test_rooms_are_counted_while_sockets_come_and_go(app: App) -> None:
    """Each room with its sockets, and all sockets of the app, also those in no room."""
    server, key = app.server, app.key
    assert told(server, key, "/rooms") == {"sockets": 0, "rooms": [], "next": None}
    with app.connect("orders", "b"), app.connect():
        with app.connect("orders") as leaving:
            body = told(server, key, "/rooms")
            assert body == {
                "sockets": 3,
                "rooms": [{"room": "b", "sockets": 1}, {"room": "orders", "sockets": 2}],
                "next": None,
            }
            leaving.call("leave", {"room": "orders"})
            assert rooms_of(server, key) == {"b": 1, "orders": 1}
            assert told(server, key, "/rooms")["sockets"] == 3
        wait_until(lambda: told(server, key, "/rooms")["sockets"] == 2, "the end of a socket")
    wait_until(lambda: told(server, key, "/rooms")["sockets"] == 0, "the end of all sockets")
    assert rooms_of(server, key) == {}


def test_the_sockets_of_a_room(app: App) -> None:
    """Each with its host, since when it is in the room, and the subject of its room token."""
    token = object_in(app.post("/tokens", {"rooms": ["o*"], "subject": "ada"}))["token"]
    nobody = object_in(app.post("/tokens", {"rooms": ["orders"]}))["token"]
    began = datetime.now(UTC)
    with (
        app.connect("orders") as keyed,
        SocketClient(app.server.url, str(token), "orders") as ada,
        SocketClient(app.server.url, str(nobody), "orders") as unnamed,
        app.connect("elsewhere"),
    ):
        body = told(app.server, app.key, "/rooms/orders/sockets")
        assert (body["room"], body["count"], body["next"]) == ("orders", 3, None)
        assert "unreached" not in body
        found = {str(each["sid"]): each for each in sockets_in(body)}
        assert [*found] == sorted([keyed.sid, ada.sid, unnamed.sid])
        assert found[ada.sid]["subject"] == "ada"
        assert found[keyed.sid]["subject"] is found[unnamed.sid]["subject"] is None
        assert len({str(each["host"]) for each in found.values()}) == 1
        for each in found.values():
            since = datetime.fromisoformat(str(each["since"]))
            assert began <= since <= datetime.now(UTC) + timedelta(seconds=1)
    empty = told(app.server, app.key, "/rooms/nobody/sockets")
    assert empty == {"room": "nobody", "count": 0, "sockets": [], "next": None}


def test_since_when_is_that_of_the_room(app: App) -> None:
    """A socket that leaves a room and joins it again is there since then."""

    def since(client: SocketClient) -> datetime:
        [found] = sockets_in(told(app.server, app.key, "/rooms/a/sockets"))
        assert found["sid"] == client.sid
        return datetime.fromisoformat(str(found["since"]))

    with app.connect("a") as client:
        first = since(client)
        client.call("join", {"room": "a"})
        assert since(client) == first
        client.call("leave", {"room": "a"})
        client.call("join", {"room": "a"})
        assert since(client) > first


def test_pages(app: App) -> None:
    """``next`` is the ``after`` of the following page; pages are sorted and end."""
    names = sorted([f"room.{number:03}" for number in range(90)] + ["a", "b", "Z", "ä"])
    with app.connect(*names), app.connect("a") as second, app.connect("a") as third:
        seen: list[str] = []
        after: dict[str, str] = {}
        pages = 0
        while True:
            body = told(app.server, app.key, "/rooms", limit=20, **after)
            seen += rooms_of(app.server, app.key, limit=20, **after)
            assert body["sockets"] == 3
            pages += 1
            if body["next"] is None:
                break
            after = {"after": str(body["next"])}
        assert seen == names
        assert pages == 5
        assert [*rooms_of(app.server, app.key, prefix="room.01")] == [
            f"room.01{n}" for n in range(10)
        ]
        page = told(app.server, app.key, "/rooms", prefix="room.", limit=1, after="room.088")
        assert page["rooms"] == [{"room": "room.089", "sockets": 1}]
        assert page["next"] is None
        sids = sids_in(app.server, app.key, "a")
        first = told(app.server, app.key, "/rooms/a/sockets", limit=1)
        rest = told(app.server, app.key, "/rooms/a/sockets", after=str(first["next"]))
        assert {second.sid, third.sid} < sids
        assert first["count"] == rest["count"] == 3
        assert rest["next"] is None
        found = [*sockets_in(first), *sockets_in(rest)]
        assert [each["sid"] for each in found] == sorted(sids)


@pytest.mark.parametrize(
    "room", ["a/b", "/a", "a//b", "sockets", "a/sockets", "50%", "ä ö", "?a=b", "a#b", "é" * 200]
)
def test_any_name_of_a_room(app: App, room: str) -> None:
    """A room may be called whatever an event may be published to."""
    with app.connect(room) as client:
        body = told(app.server, app.key, f"/rooms/{quote(room, safe='')}/sockets")
        assert body["room"] == room
        assert sids_in(app.server, app.key, quote(room, safe="")) == {client.sid}


def test_what_is_no_question(app: App) -> None:
    """Errors are those of other calls, by field."""
    for query in ({"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"after": ""}, {"q": "x"}):
        assert {*refused_fields(ask(app.server, app.key, "/rooms", **query))} == {*query}
        assert {*refused_fields(ask(app.server, app.key, "/rooms/a/sockets", **query))} == {*query}
    assert {*refused_fields(ask(app.server, app.key, "/rooms", prefix="x" * 201))} == {"prefix"}
    assert {*refused_fields(ask(app.server, app.key, "/rooms/a/sockets", prefix="x"))} == {"prefix"}
    for room in (HITS_ROOM, "x" * 201, "a%0Ab"):
        assert {*refused_fields(ask(app.server, app.key, f"/rooms/{room}/sockets"))} == {"room"}
    twice = ask(app.server, app.key, "/rooms?limit=1&limit=2")
    assert {*refused_fields(twice)} == {"limit"}


def test_who_may_ask(app: App) -> None:
    """A key of scope read."""
    deaf = app.server.issue_key(Scope.SUBSCRIBE, Scope.PUBLISH, app=f"app-{uuid.uuid4()}")
    for path in ("/rooms", "/rooms/a/sockets"):
        assert ask(app.server, None, path).status_code == 401
        refused = ask(app.server, deaf, path)
        assert refused.status_code == 403
        error_in(object_in(refused), "forbidden")
        assert "RateLimit-Limit" in ask(app.server, app.key, path).headers


def test_only_the_apps_own(app: App) -> None:
    """Neither another app's rooms are seen, nor Herald's own rooms."""
    other = new_app(app.server)
    with app.connect("orders", HITS_ROOM, "herald:presence:orders") as ours, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(other.connect("orders", "secret"))
        assert told(app.server, app.key, "/rooms")["sockets"] == 1
        assert rooms_of(app.server, app.key) == {"orders": 1}
        assert rooms_of(app.server, app.key, prefix="herald:") == {}
        assert sids_in(app.server, app.key, "orders") == {ours.sid}
        assert sids_in(app.server, app.key, "secret") == set()
