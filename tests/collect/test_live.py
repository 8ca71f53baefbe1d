"""Hits as they come: who sees them, and how many."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, new_app, object_in, refused_fields
from webapp.access.scopes import Scope
from webapp.collect.live import MAX_METADATA, SHOWN_A_SECOND
from webapp.names import HITS_ROOM


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of the test's own."""
    return new_app(herald)


@pytest.fixture
def watching(app: App) -> Iterator[SocketClient]:
    """A socket of the test's app that watches its hits."""
    with app.connect(HITS_ROOM) as client:
        yield client


def collect(app: App, *hits: JsonObject) -> None:
    batch: list[JsonValue] = [*hits]
    answer = app.post("/analytics/collect", {"batch": batch})
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == len(hits)


def next_hit(client: SocketClient) -> JsonObject:
    name, data = client.next_event()
    assert name == "herald:hit"
    assert isinstance(data, dict)
    return data


def test_a_hit_is_seen_as_it_comes(app: App, watching: SocketClient) -> None:
    """It is shown as it is kept: with a truncated address, and without metadata that are large."""
    sent: JsonObject = {
        "event": "view",
        "messageId": "m1",
        "timestamp": "2026-05-01T10:00:00.5Z",
        "url": "https://a.example/",
        "referrer": "https://b.example/",
        "device": "mobile",
        "userId": "ada",
        "sessionId": "s1",
        "metadata": {"plan": "free"},
    }
    collect(app, {**sent, "ipAddress": "192.0.2.77"})
    assert next_hit(watching) == {
        **sent,
        "timestamp": "2026-05-01T10:00:00.500Z",
        "ipAddress": "192.0.2.0",
        "leftOut": 0,
    }
    collect(app, {"event": "view", "metadata": {"x": "y" * MAX_METADATA}})
    assert next_hit(watching)["metadata"] is None


def test_nobody_else_sees_it(app: App, herald: HeraldServer, watching: SocketClient) -> None:
    """Neither another app's watchers, nor this one's sockets elsewhere; nor who has left."""
    other = new_app(herald)
    with other.connect(HITS_ROOM) as stranger, app.connect("orders") as elsewhere:
        collect(app, {"event": "view"})
        assert next_hit(watching)["event"] == "view"
        assert watching.call("leave", {"room": HITS_ROOM}) == {"ok": True, "room": HITS_ROOM}
        collect(app, {"event": "unseen"})
        collect(other, {"event": "other"})
        assert next_hit(stranger)["event"] == "other"
        app.publish("last", {})
        assert watching.events_until("last") == elsewhere.events_until("last") == []


def test_so_many_are_shown_a_second(app: App, watching: SocketClient) -> None:
    """Of a flood twenty are shown, and the next one shown says how many were left out."""
    flood: list[JsonObject] = [{"event": f"e{number}"} for number in range(500)]
    collect(app, *flood)
    shown = [next_hit(watching) for _ in range(SHOWN_A_SECOND)]
    assert [hit["event"] for hit in shown] == [f"e{number}" for number in range(SHOWN_A_SECOND)]
    assert all(hit["leftOut"] == 0 for hit in shown)
    sent = len(flood)
    while (hit := _next_after(app, watching, sent)) is None:
        sent += 1
    assert hit["leftOut"] == sent - SHOWN_A_SECOND
    collect(app, {"event": "soon after"})
    assert next_hit(watching)["leftOut"] == 0


def _next_after(app: App, watching: SocketClient, sent: int) -> JsonObject | None:
    collect(app, {"event": f"e{sent}"})
    app.publish("after", {})
    events = watching.events_until("after")
    assert len(events) <= 1
    return next((data for _, data in events if isinstance(data, dict)), None)


def test_who_may_watch(herald: HeraldServer) -> None:
    """A key of scope read, or a room token of one that names the room, by no pattern."""
    name = "subscribes alone"
    deaf = herald.issue_key(Scope.SUBSCRIBE, app=name)
    reading = App(herald, herald.issue_key(Scope.SUBSCRIBE, Scope.READ, app=name))
    tokens = {
        "named": (reading, HITS_ROOM),
        "pattern": (reading, "herald:*"),
        "deaf": (App(herald, deaf), HITS_ROOM),
    }
    by_token = {case: room_token(by, room) for case, (by, room) in tokens.items()}
    assert join(herald, reading.key) == join(herald, by_token["named"]) == allowed()
    for token in (deaf, by_token["pattern"], by_token["deaf"]):
        error_in(join(herald, token), "forbidden")


def test_an_open_server_shows_nothing_to_anyone(tmp_path: Path) -> None:
    """Where anyone may connect, who has no key does not see hits."""
    with HeraldServer(tmp_path / "open", {"SOCKET_AUTH": "open"}) as server:
        error_in(join(server, None), "forbidden")


def room_token(app: App, room: str) -> str:
    answer = app.post("/tokens", {"rooms": [room]})
    assert answer.status_code == 201, answer.text
    return str(object_in(answer)["token"])


def join(server: HeraldServer, token: str | None) -> JsonValue:
    with SocketClient(server.url, token) as client:
        return client.call("join", {"room": HITS_ROOM})


def allowed() -> JsonObject:
    return {"ok": True, "room": HITS_ROOM}


@pytest.mark.parametrize(
    ("event", "where", "wrong"),
    [
        ("herald:hit", {}, "event"),
        ("herald:", {}, "event"),
        ("view", {"room": HITS_ROOM}, "room"),
        ("view", {"rooms": ["orders", "herald:x"]}, "rooms"),
    ],
)
def test_nobody_publishes_in_herald_s_name(
    app: App, watching: SocketClient, event: str, where: JsonObject, wrong: str
) -> None:
    """An event or a room that begins with herald: is refused; who watches cannot be deceived."""
    body: JsonObject = {"event": event, "data": {}, **where}
    assert list(refused_fields(app.post("/events", body))) == [wrong]
    app.publish("heraldic", {}, room="orders")
    app.publish("last", {})
    assert watching.events_until("last") == []


def test_there_is_one_such_room(app: App) -> None:
    """A room of Herald's own that there is not is refused."""
    with app.connect() as client:
        error = error_in(client.call("join", {"room": "herald:hit"}), "validation_failed")
        assert HITS_ROOM in str(error["message"])
