"""Events as they are published: who sees them, what of them, and how many."""

from collections.abc import Iterator

import pytest
import requests

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, new_app, object_in
from webapp.access.scopes import Scope
from webapp.events.live import MAX_DATA, SHOWN_A_SECOND
from webapp.names import EVENTS_ROOM


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of the test's own."""
    return new_app(herald)


@pytest.fixture
def watching(app: App) -> Iterator[SocketClient]:
    """A socket of the test's app that watches its events."""
    with app.connect(EVENTS_ROOM) as client:
        yield client


def next_shown(client: SocketClient) -> JsonObject:
    """Return the next event that is shown; what else the socket gets comes under its own name."""
    while True:
        name, data = client.next_event()
        if name == "herald:event":
            assert isinstance(data, dict)
            return data


def test_an_event_is_shown_with_whom_it_reached(app: App, watching: SocketClient) -> None:
    """As its 202 and the log tell of it, by whichever way it came in."""
    with app.connect("orders"):
        for headers in ({}, {"Idempotency_Key": "by Flask"}):
            body: JsonObject = {"event": "order.created", "room": "orders", "data": {"n": 1}}
            told = object_in(app.post("/events", body, **headers))
            shown = next_shown(watching)
            assert shown.items() >= told.items()
            assert (shown["recipients"], shown["leftOut"]) == (1, 0)
            assert shown["data"] == {"n": 1}
            logged = app.server.url + f"/events/{told['id']}"
            assert shown["at"] == _read(logged, app.key)["at"]
            assert shown.keys() == {*told, "data", "at", "leftOut"}
        # Told the first answer again, nothing is published, and nothing shown.
        assert object_in(app.post("/events", body, **headers)) == told
    app.publish("large", {"text": "x" * MAX_DATA}, room="orders")
    shown = next_shown(watching)
    assert (shown["event"], shown["data"], shown["recipients"]) == ("large", None, 0)


def _read(url: str, key: str) -> JsonObject:
    return object_in(requests.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=20))


def test_so_many_are_shown_a_second(app: App, watching: SocketClient) -> None:
    """Of a batch the first ones in its order; the next one shown says how many were left out."""
    items: list[JsonValue] = [
        {"event": f"e{number}", "data": {}, "room": "nobody"} for number in range(300)
    ]
    items[7] = {"event": "refused"}
    results = object_in(app.post("/events/batch", {"events": items}))["results"]
    assert isinstance(results, list)
    published = [each["id"] for each in results if isinstance(each, dict) and "id" in each]
    shown = [next_shown(watching) for _ in range(SHOWN_A_SECOND)]
    assert [each["id"] for each in shown] == published[:SHOWN_A_SECOND]
    assert all(each["leftOut"] == 0 for each in shown)
    last = SHOWN_A_SECOND - 1
    left_out = 0
    while not left_out:
        published.append(app.publish("later", {}, room="nobody")["id"])
        published.append(app.publish("after", {})["id"])
        for name, data in watching.events_until("after"):
            if name == "herald:event":
                assert isinstance(data, dict)
                shown_now = published.index(data["id"])
                assert data["leftOut"] == shown_now - last - 1
                last, left_out = shown_now, left_out + shown_now - last - 1


def test_nobody_else_sees_it(app: App, herald: HeraldServer, watching: SocketClient) -> None:
    """Neither another app's watchers, nor this one's sockets elsewhere; nor who has left."""
    other = new_app(herald)
    with other.connect(EVENTS_ROOM) as stranger, app.connect("orders") as elsewhere:
        app.publish("mine", {}, room="orders")
        assert next_shown(watching)["event"] == "mine"
        assert watching.call("leave", {"room": EVENTS_ROOM}) == {"ok": True, "room": EVENTS_ROOM}
        other.publish("theirs", {}, room="x")
        assert next_shown(stranger)["event"] == "theirs"
        app.publish("last", {})
        assert watching.events_until("last") == []
        assert [name for name, _ in elsewhere.events_until("last")] == ["mine"]


def test_who_may_watch(herald: HeraldServer) -> None:
    """A key of scope read, or a room token of one that names the room, by no pattern."""
    name = "may not watch events"
    reader = App(herald, herald.issue_key(Scope.SUBSCRIBE, Scope.READ, app=name))
    named = object_in(reader.post("/tokens", {"rooms": [EVENTS_ROOM]}))["token"]
    pattern = object_in(reader.post("/tokens", {"rooms": ["herald:*"]}))["token"]
    allowed = {"ok": True, "room": EVENTS_ROOM}
    for token in (reader.key, str(named)):
        with SocketClient(herald.url, token) as client:
            assert client.call("join", {"room": EVENTS_ROOM}) == allowed
    for token in (herald.issue_key(Scope.SUBSCRIBE, app=name), str(pattern)):
        with SocketClient(herald.url, token) as client:
            error_in(client.call("join", {"room": EVENTS_ROOM}), "forbidden")
