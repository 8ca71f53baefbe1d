"""Two tenants on one server, and what the second one tries to get of the first one's."""

import base64
import json
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field

import requests

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from webapp.access.scopes import Scope

SECONDS = 10
ROOM = "orders"


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
