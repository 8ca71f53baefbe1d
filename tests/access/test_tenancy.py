"""Two tenants on one server: whatever the second one calls, the first one's stays its own."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonObject, JsonValue
from tests.access.tenantless import TENANTLESS
from tests.access.tenants import ROOM, SECONDS, Tenant, World, claims_of
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient


def places(world: World) -> list[JsonObject]:
    """Return all the ways to say where an event goes, aimed at the first tenant."""
    first = world.first
    return [
        {},
        {"room": ROOM},
        {"rooms": [ROOM, "order", f"{first.app_id}/{ROOM}", f"{first.app_id} {ROOM}"]},
        {"room": first.app_id},
        {"room": first.app},
        {"except": [*world.sids]},
        {"room": ROOM, "except": [*world.sids]},
        {"except": [world.second.keyed.sid, world.second.narrowed.sid]},
    ]


def publish(world: World) -> None:
    """Publish to the first tenant's rooms and sockets; get at the answers that it was given."""
    second = world.second
    for place in places(world):
        event = world.event()
        body: JsonObject = {"event": event, "data": {}, **place}
        world.attack(f"POST /events {place}", second.call("POST", "/events", body))
        by_flask = second.call("POST", "/events", body, Idempotency_Key=event)
        world.attack(f"POST /events by Flask {place}", by_flask)
    for sid in world.sids:
        answer = second.call("POST", "/events", {"event": "attack", "data": {}, "room": sid})
        world.attempt("POST /events, a sid as the room", let_through=answer.ok)
    for more in ({"app": world.first.app_id}, {"app_id": world.first.app_id}):
        answer = second.call("POST", "/events", {"event": "attack", "data": {}, **more})
        world.attempt(f"POST /events {more}", let_through=answer.ok)
    again = second.call("POST", "/events", world.once, **world.once_headers)
    repeated = again.json().get("id") == world.paid_id
    world.attempt("POST /events, the first one's Idempotency-Key", let_through=repeated)
    other = second.call(
        "POST", "/events", {**world.once, "event": "attack.b"}, Idempotency_Key="once "
    )
    world.attack("POST /events, another body under that key", other)


def publish_batch(world: World) -> None:
    """The same in a batch."""
    second = world.second
    items: list[JsonValue] = [{"event": world.event(), "data": {}, **at} for at in places(world)]
    world.attack("POST /events/batch", second.call("POST", "/events/batch", {"events": items}))
    world.tried += [f"POST /events/batch {place}" for place in places(world)[1:]]
    again = second.call("POST", "/events/batch", world.batch, **world.once_headers)
    repeated = again.json()["results"][0].get("id") == world.batch_id
    world.attempt("POST /events/batch, the first one's Idempotency-Key", let_through=repeated)


def search(world: World) -> None:
    """Search the log for what the first tenant has published, in every way there is."""
    first = world.first
    for query in [
        "",
        f"room={ROOM}",
        "event=order.created",
        f"q={first.mark}",
        f"q={world.event_id}",
        f"q={first.app_id}",
        f"q={world.sids[0]}",
        "since=0",
        "until=2100-01-01T00:00:00Z",
        "limit=1000",
        f"room={ROOM}&event=order.created&q={first.mark}",
        f"cursor={world.cursor}",
        f"limit=1&cursor={world.cursor}",
        f"app={first.app_id}",
        f"app_id={first.app_id}",
    ]:
        answer = world.second.call("GET", f"/events?{query}")
        world.attack(f"GET /events?{query}", answer)
        if "cursor" in query:
            world.attempt("GET /events, the first one's cursor", let_through=answer.ok)
    for event in ("audit.token_issued", "socket.refused"):
        answer = world.second.call("GET", f"/events?event={event}")
        world.attempt(f"GET /events of {event}", let_through=answer.json()["events"] != [])


def find(world: World) -> None:
    """Read the first tenant's events by their ids."""
    for event_id in (world.event_id, world.paid_id, world.batch_id, world.event_id.upper()):
        answer = world.second.call("GET", f"/events/{event_id}")
        world.attempt("GET /events/{id}", let_through=answer.status_code != 404)
        world.attack("GET /events/{id}, what the refusal says", answer)


def see_who_is_there(world: World) -> None:
    """See the first one's rooms and sockets, and hear of who comes and goes there."""
    first, second = world.first, world.second
    for query in ("", f"?prefix={ROOM}", "?limit=1000", f"?app={first.app_id}", "?after=a"):
        answer = second.call("GET", f"/rooms{query}")
        world.attack(f"GET /rooms{query}", answer)
        counted = answer.json().get("sockets", 2)
        world.attempt(f"GET /rooms{query}, counted", let_through=counted != 2)
    rooms = [ROOM, first.app_id, f"{first.app_id}/{ROOM}", f"{first.app_id} {ROOM}", *world.sids]
    for room in rooms:
        for query in ("", f"?app={first.app_id}", f"?after={world.sids[0][0]}"):
            path = f"/rooms/{room}/sockets{query}"
            told = second.call("GET", path).json()
            # Two sockets of its own are in the room that both have; the answer repeats the name.
            own = 2 if room == ROOM else 0
            world.attempt(f"GET {path}", let_through=told.get("count", own) != own)
            is_told = any(secret in str(told.get("sockets")) for secret in world.secrets)
            world.attempt(f"GET {path}, its sockets", let_through=is_told)
    with SocketClient(first.server.url, second.key) as watching:
        for room in rooms:
            watching.call("join", {"room": f"herald:presence:{room}"})
        with SocketClient(first.server.url, first.token, ROOM):
            pass
        last = world.event()
        second.publish(last)
        heard = watching.events_until(last)
        world.attempt("herald:presence of the first one's rooms", let_through=heard != [])


def list_sockets(world: World) -> None:
    """List the first one's sockets."""
    first, second = world.first, world.second
    for query in ("", "?limit=1000", f"?app={first.app_id}", f"?after={world.sids[0][:-1]}"):
        answer = second.call("GET", f"/sockets{query}")
        world.attack(f"GET /sockets{query}", answer)
        told = str(answer.json().get("sockets"))
        is_told = any(secret in told for secret in (*world.secrets, *world.sids))
        world.attempt(f"GET /sockets{query}, its sockets", let_through=is_told)


def end_sockets(world: World) -> None:
    """End the first one's sockets, which go on to be connected."""
    for sid in world.sids:
        answer = world.second.call("DELETE", f"/sockets/{sid}")
        world.attempt("DELETE /sockets/{sid}", let_through=answer.status_code != 404)
    connected = world.first.call("GET", "/sockets").json()["sockets"]
    still = {each["sid"] for each in connected} >= {*world.sids}
    world.attempt("the end of the first one's sockets", let_through=not still)


def issue_token(world: World) -> None:
    """Get a room token for the first tenant's rooms, or by its room token."""
    first, second = world.first, world.second
    for more in ({"app": first.app_id}, {"appId": first.app_id}, {"key": first.key_id}):
        answer = second.call("POST", "/tokens", {"rooms": [ROOM], **more})
        world.attempt(f"POST /tokens {more}", let_through=answer.ok)
    body: JsonObject = {"rooms": [ROOM, f"{first.app_id}*"], "subject": "intruder"}
    by_token = second.call("POST", "/tokens", body, first.token)
    world.attempt("POST /tokens by a room token", let_through=by_token.ok)
    answer = second.call("POST", "/tokens", {**body, "subject": first.subject})
    claims = claims_of(answer.json()["token"])
    world.attempt("POST /tokens", let_through=claims["app"] != second.app_id)


def look_around(world: World) -> None:
    """Ask as the second user for what is theirs, and what may be the first one's."""
    first, second = world.first, world.second
    for path in ("/auth/profile", "/auth/apps"):
        for query in ("", f"?user={first.user_id}&id={first.user_id}&owner={first.user_id}"):
            world.attack(f"GET {path}", second.call("GET", path + query, None, second.user_token))


def list_keys(world: World) -> None:
    """List the keys of the first one's app."""
    for name in (world.first.app, world.first.app_id):
        path = f"/auth/api-key?appName={name}"
        answer = world.second.call("GET", path, None, world.second.user_token)
        world.attempt("GET /auth/api-key", let_through=answer.status_code != 404)


def issue_key(world: World) -> None:
    """Have a key of the first one's app."""
    for name in (world.first.app, world.first.app_id):
        body: JsonObject = {"appName": name, "scopes": ["read"]}
        answer = world.second.call("POST", "/auth/api-key", body, world.second.user_token)
        world.attempt("POST /auth/api-key", let_through=answer.status_code != 404)


def issue_console_key(world: World) -> None:
    """Have the console's key of the first one's app."""
    for name in (world.first.app, world.first.app_id):
        body: JsonObject = {"appName": name}
        answer = world.second.call("POST", "/console/key", body, world.second.user_token)
        world.attempt("POST /console/key", let_through=answer.status_code != 404)


def register(world: World) -> None:
    """Register an app of the first one's name: that is another app, whose keys open no other."""
    second, name = world.second, world.first.app
    body: JsonObject = {"appName": name, "appUrl": "https://app.example"}
    answer = second.call("POST", "/auth/register", body, second.user_token)
    world.attack("POST /auth/register", answer)
    wanted: JsonObject = {"appName": name, "scopes": ["read"]}
    issued = second.call("POST", "/auth/api-key", wanted, second.user_token)
    key = str(issued.json()["apiKey"])
    is_first = claims_of(key)["app"] == world.first.app_id
    world.attempt("a key of an app of the same name", let_through=is_first)
    world.attack("GET /events by it", second.call("GET", "/events", None, key))


def revoke(world: World) -> None:
    """Revoke the first one's key."""
    for named in ({"apiKey": world.first.key}, {"id": world.first.key_id}):
        body: JsonObject = {**named}
        answer = world.second.call("POST", "/auth/revoke", body, world.second.user_token)
        world.attempt("POST /auth/revoke", let_through=answer.status_code != 404)
    assert world.first.call("GET", "/events?limit=1").ok


def collect(world: World) -> None:
    """Send hits as if they were the first one's."""
    first, second = world.first, world.second
    for path in ("/analytics/collect", "/collect"):
        for more in ({}, {"app_id": first.app_id}, {"appId": first.app_id}, {"app": first.app_id}):
            event = f"forged.{len(world.tried)}"
            world.attack(f"POST {path}", second.call("POST", path, {"event": event, **more}))
            summary = first.call("GET", f"/analytics/event-summary?event={event}").json()
            world.attempt(f"POST {path} {more}", let_through=summary["count"] != 0)


def ask(world: World) -> None:
    """Ask what the first one has collected, by key and as an owner, and erase it."""
    first, second = world.first, world.second
    hit: JsonObject = {"event": first.mark, "userId": first.subject, "url": "https://a.example"}
    assert first.call("POST", "/analytics/collect", hit).status_code == 202
    user = f"user-stats?userId={first.subject}"
    for token in (second.key, second.user_token):
        for app in ("", f"&app_id={first.app_id}", f"&app={first.app_id}"):
            for query in (
                "timeseries?interval=day",
                "top-events?limit=9",
                "overview?includeBots=true",
                "breakdown?by=page",
                "export?format=jsonl",
            ):
                path = f"/analytics/{query}{app}"
                world.attack(f"GET {path}", second.call("GET", path, None, token))
            path = f"/analytics/event-summary?event={first.mark}{app}"
            answer = second.call("GET", path, None, token).text
            world.attempt(f"GET {path}", let_through='"count":1' in answer)
            answered = second.call("GET", f"/analytics/{user}{app}", None, token).status_code
            world.attempt(f"GET {user}{app}", let_through=answered not in {404, 422})
            path = f"/analytics/users?userId={first.subject}{app}"
            second.call("DELETE", path, None, token)
            is_gone = first.call("GET", f"/analytics/{user}").status_code != 200
            world.attempt(f"DELETE {path}", let_through=is_gone)


def change_policy(world: World) -> None:
    """See and change how the first one's hits are kept."""
    first, second = world.first, world.second
    path = f"/auth/apps/{first.app_id}/analytics"
    body: JsonObject = {"keepsAddresses": True}
    for token in (second.user_token, second.key):
        for method, sent in (("GET", None), ("PATCH", body)):
            refused = second.call(method, path, sent, token).status_code in {401, 404}
            world.attempt(f"{method} {path}", let_through=not refused)


ENDPOINTS: dict[str, Callable[[World], None]] = {
    "POST /events": publish,
    "POST /events/batch": publish_batch,
    "GET /events": search,
    "GET /events/<uuid:event_id>": find,
    "GET /rooms": see_who_is_there,
    "GET /rooms/<room:room>/sockets": see_who_is_there,
    "GET /sockets": list_sockets,
    "DELETE /sockets/<sid>": end_sockets,
    "POST /tokens": issue_token,
    "GET /auth/profile": look_around,
    "GET /auth/apps": look_around,
    "GET /auth/api-key": list_keys,
    "POST /auth/api-key": issue_key,
    "POST /console/key": issue_console_key,
    "POST /auth/register": register,
    "POST /auth/revoke": revoke,
    "POST /collect": collect,
    "POST /analytics/collect": collect,
    "GET /analytics/event-summary": ask,
    "GET /analytics/user-stats": ask,
    "GET /analytics/timeseries": ask,
    "GET /analytics/top-events": ask,
    "GET /analytics/overview": ask,
    "GET /analytics/breakdown": ask,
    "GET /analytics/export": ask,
    "DELETE /analytics/users": ask,
    "GET /auth/apps/<app_id>/analytics": change_policy,
    "PATCH /auth/apps/<app_id>/analytics": change_policy,
}


def connect(world: World) -> None:
    """Connect as the first tenant, with what the second one has or can make up."""
    first, second = world.first, world.second
    head, payload, _ = first.token.split(".")
    theirs = second.token.split(".")
    for token in (
        f"{head}.{payload}.{theirs[2]}",
        f"{theirs[0]}.{payload}.{theirs[2]}",
        "herald_" + first.token.removeprefix("herald_room_"),
        "herald_room_" + second.key.removeprefix("herald_"),
        first.key_id,
        first.app_id,
        "",
    ):
        try:
            SocketClient(first.server.url, token).__exit__(None, None, None)
        except CannotConnect:
            world.attempt("connect", let_through=False)
        else:
            world.attempt("connect", let_through=True)


def join(world: World) -> None:
    """Join the first tenant's rooms; what comes of it is heard, or not, at the end."""
    first = world.first
    rooms = [ROOM, first.app_id, first.app, f"{first.app_id}/{ROOM}", f"{first.app_id} {ROOM}"]
    for room in rooms:
        world.second.keyed.call("join", {"room": room})
        world.attempt(f"join {room}", let_through=False)
    for sid in world.sids:
        answer = world.second.keyed.call("join", {"room": sid})
        world.attempt("join a sid", let_through=answer == {"ok": True, "room": sid})
    for more in ({"app": first.app_id}, {"sid": world.sids[0]}):
        answer = world.second.keyed.call("join", {"room": ROOM, **more})
        world.attempt(f"join {more}", let_through=answer == {"ok": True, "room": ROOM})


def leave(world: World) -> None:
    """Take the first tenant's sockets out of their room."""
    for room in (ROOM, world.first.app_id, *world.sids):
        world.second.keyed.call("leave", {"room": room})
        reached = world.first.publish("order.seen", room=ROOM)["recipients"]
        world.attempt(f"leave {room}", let_through=reached != 2)
    world.second.keyed.call("join", {"room": ROOM})


def refresh(world: World) -> None:
    """Go over to the first tenant with its room token."""
    for socket in (world.second.keyed, world.second.narrowed):
        for token in (world.first.token, world.first.key, world.first.room_token()):
            answer = socket.call("refresh", {"token": token})
            assert isinstance(answer, dict)
            world.attempt("refresh", let_through="error" not in answer)


def unknown(world: World) -> None:
    """Send events as if sockets could publish."""
    for event in ("order.created", "publish", "message", "herald.ended", "to", "broadcast"):
        data: JsonObject = {"event": event, "room": ROOM, "data": {}, "app": world.first.app_id}
        answer = world.second.keyed.call(event, data)
        assert isinstance(answer, dict)
        world.attempt(f"the event {event}", let_through="error" not in answer)


EVENTS: dict[str, Callable[[World], None]] = {
    "connect": connect,
    "join": join,
    "leave": leave,
    "refresh": refresh,
    "*": unknown,
}


def aim(world: World, endpoint: str) -> None:
    """Call an endpoint with the first tenant's ids wherever ids can stand."""
    method, rule = endpoint.split(" ")
    first = world.first
    path = re.sub(r"<[^>]*>", world.event_id, rule)
    ids: JsonObject = {"id": world.event_id, "app": first.app_id, "key": "k", "room": ROOM}
    query = f"?app={first.app_id}&id={world.event_id}&room={ROOM}"
    for token in (None, first.token, "nonsense"):
        for where, body in ((path, ids), (path + query, None)):
            answer = world.second.call(method, where, body, token)
            world.attack(f"{method} {where}", answer)
            if token and endpoint not in TENANTLESS:
                refused = answer.status_code in {401, 403}
                world.attempt(f"{method} {where} by another token", let_through=not refused)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that tells what can be called."""
    server = HeraldServer(tmp_path_factory.mktemp("mapped"))
    try:
        server.start("tests.access.mapped_app:app")
        yield server
    finally:
        server.stop()


def test_tenancy(mapped: HeraldServer) -> None:
    """No endpoint and no Socket.IO event lets a tenant see, hear or touch what another one has.

    Every endpoint of the app, and every event that has a handler, has its row above: whoever adds
    one says there how another tenant would try to get in by it, or why there is nothing to get.
    """
    calls = requests.get(f"{mapped.url}/test/calls", timeout=SECONDS).json()
    assert {*calls["endpoints"]} == {*ENDPOINTS, *TENANTLESS}
    assert {*calls["events"]} == {*EVENTS}
    with ExitStack() as stack:
        world = World(Tenant(mapped, stack), Tenant(mapped, stack))
        assert {*world.first.heard("first.ready")} == {"order.created", "paid.once"}
        assert world.second.heard("second.ready") == []
        for endpoint in calls["endpoints"]:
            aim(world, endpoint)
        for attack in dict.fromkeys((*ENDPOINTS.values(), *EVENTS.values())):
            attack(world)
        world.first.publish("order.secret", room=ROOM)
        world.first.publish("order.secret")
        but_the_second: JsonObject = {"except": [world.second.keyed.sid]}
        world.first.publish("order.secret", **but_the_second)
        for name in world.second.heard("second.last"):
            is_own = name.startswith("attack") or name == "paid.once"
            world.attempt(f"the second one heard {name}", let_through=not is_own)
        for name in world.first.heard("first.last"):
            is_own = name in {"order.seen", "order.secret"}
            world.attempt(f"the first one heard {name}", let_through=not is_own)
    print(f"\ntenancy: {len(world.tried)} tried, {len(world.let_through)} let through")
    assert world.let_through == []
    assert len(world.tried) > 100
