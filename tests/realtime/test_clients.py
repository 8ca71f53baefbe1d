"""What a client may say and what it is answered, with python-socketio's client."""

from typing import TypeAlias

import pytest
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonValue
from tests.realtime.conftest import Clients
from tests.services.herald import HeraldServer
from tests.services.sockets import RawPolling, RawWebSocket
from webapp.access.scopes import Scope

Transports: TypeAlias = "list[str] | None"

TRANSPORTS = [
    pytest.param(["websocket"], id="websocket"),
    pytest.param(["polling"], id="polling"),
    pytest.param(None, id="upgrade"),
]


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_rooms(gateway: HeraldServer, key: str, clients: Clients, transports: Transports) -> None:
    """A Python client receives what its rooms get, each event once, and what all get."""
    inside = clients.python(gateway, key, transports)
    outside = clients.python(gateway, key, transports)
    for room in ("a", "b"):
        assert inside.call("join", {"room": room}) == {"ok": True, "room": room}
    assert inside.call("join", {"room": "a"}) == {"ok": True, "room": "a"}
    assert _publish(gateway, key, 1, rooms=["a", "b"]) == 1
    but_inside: dict[str, JsonValue] = {"except": [inside.sid]}
    assert _publish(gateway, key, 2, **but_inside) == 1
    assert inside.call("leave", {"room": "a"}) == {"ok": True, "room": "a"}
    assert _publish(gateway, key, 3, room="a") == 0
    assert _publish(gateway, key, 4) == 2
    assert [inside.receive(5) for _ in range(2)] == [["ev", {"n": 1}], ["ev", {"n": 4}]]
    assert [outside.receive(5) for _ in range(2)] == [["ev", {"n": 2}], ["ev", {"n": 4}]]


def test_anyone_may_connect(open_gateway: HeraldServer, clients: Clients) -> None:
    """With SOCKET_AUTH=open a client without a token joins a room by knowing its name."""
    client = clients.python(open_gateway)
    assert client.call("join", {"room": "known"}) == {"ok": True, "room": "known"}
    body: dict[str, JsonValue] = {"event": "ev", "data": {"n": 1}, "room": "known"}
    assert open_gateway.post("/events", body).json()["recipients"] == 1
    assert client.receive(5) == ["ev", {"n": 1}]
    with pytest.raises(CannotConnect):
        clients.python(open_gateway, "herald_nonsense")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        pytest.param(None, "Is missing.", id="nothing"),
        pytest.param([], "Is missing.", id="list"),
        pytest.param("room", "Is missing.", id="text"),
        pytest.param({}, "Missing data for required field.", id="no room"),
        pytest.param({"room": None}, "Field may not be null.", id="null"),
        pytest.param({"room": ["a"]}, "Not a valid string.", id="list of rooms"),
        pytest.param({"room": 5}, "Not a valid string.", id="number"),
        pytest.param({"room": ""}, "Must not be empty.", id="empty"),
        pytest.param({"room": "a" * 201}, "Must have at most 200 characters.", id="long"),
        pytest.param({"room": "a\nb"}, "Must have no control characters.", id="line"),
        pytest.param({"room": "\x1b[31m"}, "Must have no control characters.", id="escape"),
        pytest.param({"room": "a\u2028"}, "Must have no control characters.", id="U+2028"),
    ],
)
@pytest.mark.parametrize("event", ["join", "leave"])
def test_bad_room(  # noqa: PLR0917 - pytest passes them by name
    gateway: HeraldServer, key: str, clients: Clients, event: str, payload: JsonValue, field: str
) -> None:
    """A room that cannot be is answered with the envelope, by field; the socket stays."""
    client = clients.python(gateway, key, ["websocket"])
    answer = client.call(event, payload, timeout=5)
    assert isinstance(answer, dict)
    assert isinstance(answer["error"], dict)
    assert answer["error"]["code"] == "validation_failed"
    assert answer["error"]["fields"] == {"room": [field]}
    assert client.call("join", {"room": "good"}, timeout=5) == {"ok": True, "room": "good"}


def test_unknown_key_beside_the_room(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A key beside ``room`` is refused and named: it may be a typing mistake that matters."""
    answer = clients.python(gateway, key, ["websocket"]).call("join", {"room": "a", "rom": "b"})
    assert isinstance(answer, dict)
    assert isinstance(answer["error"], dict)
    assert answer["error"]["fields"] == {"rom": ["Unknown field."]}


def test_a_sid_is_no_room(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """No socket can join the room that carries the id of another, or its own."""
    client, other = (clients.python(gateway, key, ["websocket"]) for _ in range(2))
    for sid in (client.sid, other.sid):
        answer = client.call("join", {"room": sid})
        assert isinstance(answer, dict)
        assert isinstance(answer["error"], dict)
        assert answer["error"]["fields"] == {"room": ["Is the id of a socket."]}


def test_too_many_rooms(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """The 101st room is refused; after leaving one there is a place again."""
    client = clients.python(gateway, key, ["websocket"])
    for number in range(100):
        assert client.call("join", {"room": f"r{number}"}) == {"ok": True, "room": f"r{number}"}
    answer = client.call("join", {"room": "r100"})
    assert isinstance(answer, dict)
    assert isinstance(answer["error"], dict)
    assert answer["error"]["fields"] == {"room": ["Is one too many."]}
    assert client.call("join", {"room": "r5"}) == {"ok": True, "room": "r5"}
    assert client.call("leave", {"room": "r5"}) == {"ok": True, "room": "r5"}
    assert client.call("join", {"room": "r100"}) == {"ok": True, "room": "r100"}


def test_leave_without_join(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """Leaving a room that one is not in is no error."""
    client = clients.python(gateway, key, ["websocket"])
    assert client.call("leave", {"room": "never"}) == {"ok": True, "room": "never"}


@pytest.mark.parametrize("event", ["jion", "message", "", "connect_error", "\n"])
def test_unknown_event(gateway: HeraldServer, key: str, clients: Clients, event: str) -> None:
    """An event that means nothing here is acknowledged with an error, not with silence."""
    client = clients.raw(gateway, key)
    client.send_text(f'427["{event}",{{}}]'.replace("\n", "\\n"))
    answer = client.receive().text
    assert answer.startswith('437[{"error":{"code":"unknown_event"'), answer


def test_apps_do_not_hear_each_other(gateway: HeraldServer, clients: Clients) -> None:
    """The room ``orders`` of one app is another room than that of another app."""
    scopes = (Scope.PUBLISH, Scope.SUBSCRIBE)
    ours, theirs = (gateway.issue_key(*scopes, app=app) for app in ("ours", "theirs"))
    one, other = (clients.python(gateway, key, ["websocket"]) for key in (ours, theirs))
    for client in (one, other):
        client.call("join", {"room": "orders"})
    assert _publish(gateway, ours, 1, room="orders") == 1
    assert _publish(gateway, theirs, 2, room="orders") == 1
    assert _publish(gateway, theirs, 3) == 1
    assert one.receive(5) == ["ev", {"n": 1}]
    assert [other.receive(5) for _ in range(2)] == [["ev", {"n": 2}], ["ev", {"n": 3}]]


@pytest.mark.parametrize("scope", [Scope.PUBLISH, Scope.READ, Scope.COLLECT])
def test_scope(gateway: HeraldServer, clients: Clients, scope: Scope) -> None:
    """A key without the scope ``subscribe`` connects no socket."""
    answer = clients.raw(gateway).ask_login(gateway.issue_key(scope))
    assert answer.startswith("44{"), answer
    assert '"code":"forbidden"' in answer


@pytest.mark.parametrize(
    "connect", ["40", "40null", '40{"token":null}', '40{"token":5}', '40["a"]']
)
def test_no_token(gateway: HeraldServer, clients: Clients, connect: str) -> None:
    """Without a token the refusal says how to send one."""
    client = clients.raw(gateway)
    client.send_text(connect)
    answer = client.receive().text
    assert answer.startswith("44{"), answer
    assert '"code":"unauthorized"' in answer
    assert "auth: {token}" in answer


def test_logging_in_anew(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A socket that leaves the namespace gets nothing more, and may connect again."""
    client = clients.raw(gateway, key)
    client.join("a")
    client.send_text("41")
    first = client.login(key)
    assert _publish(gateway, key, 1, room="a") == 0
    assert _publish(gateway, key, 2) == 1
    assert client.receive_event("ev") == {"n": 2}
    assert first


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        pytest.param("https://evil.example.com", 400, id="foreign"),
        pytest.param("null", 400, id="null"),
        pytest.param("https://app.example.com.evil.com", 400, id="longer"),
        pytest.param("http://app.example.com", 400, id="other scheme"),
        pytest.param("https://app.example.com", 101, id="listed"),
        pytest.param("", 101, id="none"),
        pytest.param("http://127.0.0.1:{port}", 101, id="own"),
        pytest.param("http://127.0.0.1:1", 400, id="own host, other port"),
    ],
)
def test_origin(gateway: HeraldServer, origin: str, status: int) -> None:
    """Pages of Herald's own origin and of CORS_ORIGINS may connect; those of others may not."""
    origin = origin.format(port=gateway.port)
    with RawWebSocket(gateway.port, {"Origin": origin}) as client:
        assert client.answer()[0] == status


def test_forwarded_host(gateway: HeraldServer) -> None:
    """Nobody but a trusted proxy can make a foreign origin Herald's own."""
    forged = {
        "Origin": "https://evil.example.com",
        "X-Forwarded-Host": "evil.example.com",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example.com;proto=https",
    }
    with RawWebSocket(gateway.port, forged) as client:
        assert client.answer()[0] == 400


def test_polling_from_another_site(gateway: HeraldServer, key: str) -> None:
    """Long polling works with the raw protocol too, and tells no foreign page that it may read."""
    polling = RawPolling(gateway.url)
    assert polling.login(key).startswith('40{"sid"')
    assert "Access-Control-Allow-Origin" not in polling.post(b'420["join",{"room":"a"}]').headers
    assert polling.poll().text == '430[{"ok":true,"room":"a"}]'
    assert polling.post(b"1").status_code == 200
    assert polling.post(b"3").status_code == 400


def _publish(server: HeraldServer, key: str, number: int, **where: JsonValue) -> int:
    body: dict[str, JsonValue] = {"event": "ev", "data": {"n": number}, **where}
    answer = server.post("/events", body, key)
    assert answer.status_code == 202, answer.text
    recipients = answer.json()["recipients"]
    assert isinstance(recipients, int)
    return recipients
