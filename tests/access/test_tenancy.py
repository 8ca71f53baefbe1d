"""Two tenants on one server: whatever the second one calls, the first one's stays its own."""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
import requests
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from webapp.access.scopes import Scope

SECONDS = 10
ROOM = "orders"
TENANTLESS = {
    "GET /health/live": "says of the process alone",
    "GET /health/ready": "says of the process alone",
    "GET /auth/google": "begins a sign-in, whoever asks",
    "GET /auth/google/callback": "takes what the issuer says",
    "GET /auth/login": "shows a button",
    "POST /auth/login": "takes a link's token, which nobody can guess",
    "POST /auth/logout": "removes the caller's own cookie",
}


def claims_of(token: str) -> JsonObject:
    """Return what a token says, unverified."""
    payload = token.split(".")[1]
    claims: JsonObject = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@dataclass
class Tenant:
    """A user, their app with a key of all scopes, a room token for a subject, a socket by each."""

    server: HeraldServer
    stack: ExitStack
    app: str = field(default_factory=lambda: uuid.uuid4().hex)
    subject: str = field(default_factory=lambda: uuid.uuid4().hex)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Stands in the data of every event."""

    def __post_init__(self) -> None:
        self.user_token = self.server.sign_in(self.app)
        self.user_id = str(claims_of(self.user_token)["sub"])
        app: JsonObject = {"appName": self.app, "appUrl": "https://app.example"}
        assert self.call("POST", "/auth/register", app, self.user_token).status_code == 201
        wanted: JsonObject = {"appName": self.app, "scopes": [str(scope) for scope in Scope]}
        issued = self.call("POST", "/auth/api-key", wanted, self.user_token)
        self.key = str(issued.json()["apiKey"])
        self.app_id = str(claims_of(self.key)["app"])
        self.key_id = str(claims_of(self.key)["jti"])
        self.token = self.room_token()
        self.keyed, self.narrowed = self.socket(self.key), self.socket(self.token)

    def room_token(self) -> str:
        """Return a room token of the tenant's own."""
        answer = self.call("POST", "/tokens", {"rooms": [ROOM, "o*"], "subject": self.subject})
        return str(answer.json()["token"])

    def socket(self, token: str) -> SocketClient:
        """Return a socket in the room that both tenants have."""
        return self.stack.enter_context(SocketClient(self.server.url, token, ROOM))

    def call(
        self,
        method: str,
        path: str,
        body: JsonValue = None,
        token: str | None = None,
        **headers: str,
    ) -> requests.Response:
        """Call with the tenant's key, or with another ``token``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {token or self.key}"
        return requests.request(
            method, self.server.url + path, json=body, headers=given, timeout=SECONDS
        )

    def publish(self, event: str, **more: JsonValue) -> JsonObject:
        """Publish an event and return the answer."""
        body: JsonObject = {"event": event, "data": {"orderId": self.mark}, **more}
        answer = self.call("POST", "/events", body)
        assert answer.status_code == 202, answer.text
        receipt: JsonObject = answer.json()
        return receipt

    def heard(self, last: str) -> list[str]:
        """Publish ``last`` to everybody; return what the tenant's sockets have heard before it."""
        assert self.publish(last)["recipients"] == 2
        sockets = (self.keyed, self.narrowed)
        return [str(event[0]) for socket in sockets for event in socket.events_until(last)]


@dataclass
class World:
    """The first tenant, what it has done, and the second one, which tries to get at it."""

    first: Tenant
    second: Tenant
    tried: list[str] = field(default_factory=list)
    let_through: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.once: JsonObject = {"event": "paid.once", "room": ROOM, "data": {"n": 1}}
        self.once_headers = {"Idempotency_Key": "once"}
        self.batch: JsonObject = {"events": [self.once]}
        first = self.first
        self.event_id = str(first.publish("order.created", room=ROOM)["id"])
        first.publish("order.created", room=ROOM)
        paid = first.call("POST", "/events", self.once, **self.once_headers)
        self.paid_id = str(paid.json()["id"])
        many = first.call("POST", "/events/batch", self.batch, **self.once_headers)
        self.batch_id = str(many.json()["results"][0]["id"])
        self.cursor = str(first.call("GET", "/events?limit=1").json()["next"])
        self.sids = [first.keyed.sid, first.narrowed.sid]

    @property
    def secrets(self) -> list[str]:
        """What no answer to the second tenant may have in it."""
        first = self.first
        return [first.mark, first.subject, first.key_id, first.user_id, *self.sids]

    def attempt(self, what: str, *, let_through: bool) -> None:
        """Take note of one try."""
        self.tried.append(what)
        if let_through:
            self.let_through.append(what)

    def attack(self, what: str, answer: requests.Response) -> None:
        """Take note of one call, which gets through where its answer tells of the first tenant."""
        # 501 says that nobody could sign people in here.
        assert answer.status_code < 500 or answer.status_code == 501, (what, answer.text)
        told = [secret for secret in self.secrets if secret in answer.text]
        self.attempt(what, let_through=bool(told))

    def event(self) -> str:
        """Return a fresh name for an event of the second tenant's."""
        return f"attack.{len(self.tried)}"


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
    items: list[JsonValue] = [
        {"event": world.event(), "data": {}, **place} for place in places(world)
    ]
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


ENDPOINTS: dict[str, Callable[[World], None]] = {
    "POST /events": publish,
    "POST /events/batch": publish_batch,
    "GET /events": search,
    "GET /events/<uuid:event_id>": find,
    "POST /tokens": issue_token,
    "GET /auth/profile": look_around,
    "GET /auth/apps": look_around,
    "GET /auth/api-key": list_keys,
    "POST /auth/api-key": issue_key,
    "POST /auth/register": register,
    "POST /auth/revoke": revoke,
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
        for attack in (*ENDPOINTS.values(), *EVENTS.values()):
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
