"""Sockets with a room token: what they may join, how they go on, and how they end."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonObject, JsonValue
from tests.realtime.conftest import Clients
from tests.realtime.test_rooms import connect, make_server
from tests.services.crowd import Crowd
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess, NodeSocket
from webapp.access.room_tokens import RoomClaims
from webapp.access.scopes import Scope
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.expiry import Expiries
from webapp.realtime.members import SocketOwner
from webapp.realtime.parting import Parting
from webapp.realtime.rooms import NAMESPACE, RoomManager

BOTH = (Scope.PUBLISH, Scope.SUBSCRIBE)
TRANSPORTS = [["websocket"], ["polling"]]
CROWD = 300
SEALED = "0123456789abcdef0123456789abcdef"


def issue(server: HeraldServer, key: str, *rooms: str, **more: JsonValue) -> tuple[str, float]:
    """Return a room token and when it ends, Unix time."""
    answer = server.post("/tokens", {"rooms": [*rooms], **more}, key)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    return told["token"], datetime.fromisoformat(told["expiresAt"]).timestamp()


def error_in(answer: JsonValue) -> JsonObject:
    """Return the error of an acknowledgement."""
    assert isinstance(answer, dict), answer
    error = answer["error"]
    assert isinstance(error, dict)
    return error


def ended(socket: NodeSocket) -> tuple[JsonValue, float]:
    """Wait until the server has ended ``socket``; return the code that it was told, and when."""
    reason = socket.wait_for("disconnect", seconds=15)
    at = time.time()
    assert reason == ["io server disconnect"]
    (told,) = socket.received("herald.ended")
    return error_in(told)["code"], at


def publish(server: HeraldServer, key: str, number: int, **where: JsonValue) -> int:
    """Post an event; return how many sockets got it."""
    answer = server.post("/events", {"event": "ev", "data": {"n": number}, **where}, key)
    recipients: int = answer.json()["recipients"]
    return recipients


def test_python_client(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A Python client joins the rooms of its token, by name or pattern, and is refused others."""
    token, _ = issue(gateway, key, "orders", "customer.*")
    client = clients.python(gateway, token)
    for room in ("orders", "customer.7", "customer.7.cart"):
        assert client.call("join", {"room": room}) == {"ok": True, "room": room}
    for room in ("order", "orders.1", "customer", "customers", "invoices", "*"):
        error = error_in(client.call("join", {"room": room}))
        assert error["code"] == "forbidden"
        assert room in str(error["message"])
    assert publish(gateway, key, 1, room="invoices") == 0
    assert publish(gateway, key, 2, room="customer.7.cart") == 1
    assert client.call("leave", {"room": "orders"}) == {"ok": True, "room": "orders"}
    assert publish(gateway, key, 3, room="orders") == 0
    assert publish(gateway, key, 4) == 1
    assert [client.receive(5) for _ in range(2)] == [["ev", {"n": 2}], ["ev", {"n": 4}]]


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_javascript_client(
    gateway: HeraldServer, key: str, node: NodeProcess, transports: list[str]
) -> None:
    """The client that browsers run connects with a token, joins what it names, and nothing else."""
    token, _ = issue(gateway, key, "orders", "customer.*")
    socket = node.open(gateway.url, token, transports)
    socket.connected()
    socket.join("orders", "customer.7")
    assert error_in(socket.call("join", {"room": "invoices"}))["code"] == "forbidden"
    assert publish(gateway, key, 1, rooms=["invoices", "customer.7"]) == 1
    assert socket.wait_for_events("ev", 1) == [{"n": 1}]


def test_where_anyone_may_connect(open_gateway: HeraldServer, clients: Clients) -> None:
    """With SOCKET_AUTH=open a token still narrows; a socket without one joins what it knows."""
    key = open_gateway.issue_key(*BOTH)
    narrowed = clients.python(open_gateway, issue(open_gateway, key, "mine")[0])
    assert error_in(narrowed.call("join", {"room": "yours"}))["code"] == "forbidden"
    anyone = clients.python(open_gateway)
    assert anyone.call("join", {"room": "yours"}) == {"ok": True, "room": "yours"}
    refused = anyone.call("refresh", {"token": issue(open_gateway, key, "mine")[0]})
    assert error_in(refused)["code"] == "forbidden"


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_expiry(gateway: HeraldServer, key: str, node: NodeProcess, transports: list[str]) -> None:
    """Within a second of its token's end a socket is told so and disconnected, not before."""
    token, ends = issue(gateway, key, "orders", ttl=1)
    longer, _ = issue(gateway, key, "orders")
    goes, stays = (node.open(gateway.url, each, transports) for each in (token, longer))
    goes.connected()
    stays.connected()
    goes.join("orders")
    code, at = ended(goes)
    print(f"\nexpiry: ended {at - ends:.2f} s after the token")
    assert code == "token_expired"
    assert 0 <= at - ends < 1
    assert publish(gateway, key, 1, room="orders") == 0
    assert publish(gateway, key, 2) == 1
    refused = node.open(gateway.url, token, transports, reconnection=False)
    message, _data = refused.wait_for("connect_error")
    assert "POST /tokens" in str(message)


def test_a_crowd_expires(gateway: HeraldServer, key: str) -> None:
    """All whose tokens end in one second are told so, and disconnected, within the next."""
    token, ends = issue(gateway, key, "a", ttl=6)
    with Crowd(gateway.port, CROWD, token) as crowd:
        assert time.time() < ends, "the machine is too slow to connect them in time"
        everyone = crowd.members
        crowd.read_until(lambda: all(member.parted for member in everyone), "the ends", 20)
        took = time.time() - ends
        assert all('"token_expired"' in member.events[-1] for member in everyone)
    print(f"\nexpiry of {CROWD} at once: the last {took:.2f} s after the token")
    assert took < 1


def test_connecting_anew(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A socket that was ended logs in on the same connection with a new token."""
    client = clients.raw(gateway, issue(gateway, key, "a", ttl=1)[0])
    told = client.receive_event("herald.ended")
    assert error_in(told)["code"] == "token_expired"
    assert client.receive().text == "41"
    client.login(issue(gateway, key, "a")[0])
    client.join("a")


def test_refresh(gateway: HeraldServer, key: str, node: NodeProcess) -> None:
    """A refreshed socket outlives its first token; it leaves the rooms that it may not be in."""
    token, ends = issue(gateway, key, "a", "b.*", "c", subject="user-7", ttl=2)
    socket = node.open(gateway.url, token, ["websocket"])
    socket.connected()
    socket.join("a", "b.1", "b.2", "c")
    new, new_ends = issue(gateway, key, "a", "b.2", "d", subject="user-7", ttl=60)
    answer = socket.call("refresh", {"token": new})
    assert isinstance(answer, dict)
    assert datetime.fromisoformat(str(answer.pop("expiresAt"))).timestamp() == new_ends
    assert answer == {"ok": True, "left": ["b.1", "c"]}
    assert publish(gateway, key, 1, rooms=["b.1", "c"]) == 0
    assert publish(gateway, key, 2, room="b.2") == 1
    assert error_in(socket.call("join", {"room": "c"}))["code"] == "forbidden"
    socket.join("d")
    wait_until(lambda: time.time() > ends + 1, "the end of the first token")
    assert publish(gateway, key, 3, room="a") == 1
    assert socket.wait_for_events("ev", 2) == [{"n": 2}, {"n": 3}]
    assert socket.seen("disconnect") == []


def test_refresh_to_an_earlier_end(gateway: HeraldServer, key: str, node: NodeProcess) -> None:
    """The last token counts, also where it ends earlier."""
    socket = node.open(gateway.url, issue(gateway, key, "a")[0], ["websocket"])
    socket.connected()
    shorter, ends = issue(gateway, key, "a", ttl=1)
    answer = socket.call("refresh", {"token": shorter})
    assert isinstance(answer, dict)
    assert answer["left"] == []
    code, at = ended(socket)
    assert code == "token_expired"
    assert at - ends < 1


def test_refused_refresh(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """With another app's, another subject's, an expired or no token at all the old one goes on."""
    rival = gateway.issue_key(*BOTH, app=uuid.uuid4().hex)
    client = clients.python(gateway, issue(gateway, key, "a", subject="user-7")[0], ["websocket"])
    assert client.call("join", {"room": "a"}) == {"ok": True, "room": "a"}
    brief, brief_ends = issue(gateway, key, "a", subject="user-7", ttl=1)
    wait_until(lambda: time.time() >= brief_ends, "the end of a token")
    arguments: list[tuple[JsonValue, str]] = [
        ({"token": issue(gateway, rival, "a", subject="user-7")[0]}, "forbidden"),
        ({"token": issue(gateway, key, "a", subject="user-8")[0]}, "forbidden"),
        ({"token": issue(gateway, key, "a")[0]}, "forbidden"),
        ({"token": brief}, "unauthorized"),
        ({"token": key}, "unauthorized"),
        ({"token": "herald_room_nonsense"}, "unauthorized"),
        ({"token": ""}, "unauthorized"),
        ({"token": None}, "validation_failed"),
        ({"token": 5}, "validation_failed"),
        ({"token": "a", "rooms": ["b"]}, "validation_failed"),
        ({}, "validation_failed"),
        ("token", "validation_failed"),
        (None, "validation_failed"),
    ]
    for argument, code in arguments:
        assert error_in(client.call("refresh", argument))["code"] == code, argument
    assert publish(gateway, key, 1, room="a") == 1
    keyed = clients.python(gateway, key, ["websocket"])
    refused = keyed.call("refresh", {"token": issue(gateway, key, "a")[0]})
    assert error_in(refused)["code"] == "forbidden"


def test_refresh_after_rotation(gateway: HeraldServer, node: NodeProcess) -> None:
    """A socket that was refreshed with a token of the app's next key outlives the first key."""
    app = uuid.uuid4().hex
    first, following = (gateway.issue_key(*BOTH, app=app) for _ in range(2))
    rotated, left = (
        node.open(gateway.url, issue(gateway, first, "a")[0], ["websocket"]) for _ in range(2)
    )
    rotated.connected()
    left.connected()
    rotated.join("a")
    answer = rotated.call("refresh", {"token": issue(gateway, following, "a")[0]})
    assert isinstance(answer, dict)
    assert answer["ok"] is True
    gateway.revoke_key(first)
    assert ended(left)[0] == "key_revoked"
    assert publish(gateway, following, 1, room="a") == 1
    assert rotated.wait_for_events("ev", 1) == [{"n": 1}]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HeraldServer, HeraldServer]]:
    """Two processes with one database and one secret."""
    home: Path = tmp_path_factory.mktemp("hosts")
    environ = {"DATABASE_URL": f"sqlite:///{home / 'shared.db'}", "SECRET_KEY": SEALED}
    with (
        HeraldServer(home / "one", environ) as one,
        HeraldServer(home / "two", environ) as other,
    ):
        yield one, other


def test_revocation(
    hosts: tuple[HeraldServer, HeraldServer], node: NodeProcess, clients: Clients
) -> None:
    """In every process a revoked key's tokens are refused, and their sockets ended, within 2 s."""
    key = hosts[0].issue_key(*BOTH, app=uuid.uuid4().hex)
    token, _ = issue(hosts[0], key, "a")
    sockets = [node.open(host.url, token, ["websocket"]) for host in hosts]
    for socket in sockets:
        socket.connected()
        socket.join("a")
    hosts[0].revoke_key(key)
    revoked = time.time()
    took: dict[str, float] = {}

    def refused(host: HeraldServer) -> bool:
        try:
            clients.python(host, token, ["websocket"]).disconnect()
        except CannotConnect:
            return True
        return False

    def no_token(host: HeraldServer) -> bool:
        return host.post("/tokens", {"rooms": ["a"]}, key).status_code == 401

    ways: list[tuple[str, Callable[[HeraldServer], bool]]] = [
        ("HTTP", no_token),
        ("connecting", refused),
    ]
    for number, host in enumerate(hosts, 1):
        for way, is_over in ways:
            wait_until(partial(is_over, host), f"the refusal: {way}", 5)
            took[f"{way}, process {number}"] = time.time() - revoked
    for number, socket in enumerate(sockets, 1):
        code, at = ended(socket)
        assert code == "key_revoked"
        took[f"open socket, process {number}, at most"] = at - revoked
    print("\nrevocation:", ", ".join(f"{what} {seconds:.2f} s" for what, seconds in took.items()))
    assert max(took.values()) < 2


# The bookkeeping


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=30), st.integers(0, 20))
def test_who_is_due(renewals: list[tuple[int, int]], now: int) -> None:
    """However often tokens are renewed, due is who has one that is over, and nothing is left."""
    expiries, held = Expiries(), dict[str, int]()
    for number, second in renewals:
        sid = f"s{number}"
        if sid in held:
            expiries.remove(sid, held[sid])
        held[sid] = second
        expiries.add(sid, second)
    due = expiries.due(now)
    assert sorted(due) == sorted(sid for sid, second in held.items() if second <= now)
    assert [held[sid] for sid in due] == sorted(held[sid] for sid in due)
    for sid, second in held.items():
        expiries.remove(sid, second)
    assert expiries._by_second == {}


def _claims(expires_at: int) -> RoomClaims:
    return RoomClaims("t", "k1", "ours", None, ("a",), 1, expires_at)


def test_many_sockets() -> None:
    """A look at 10,000 sockets with tokens takes a few milliseconds at most, with no timers."""
    rooms: RoomManager = make_server(Broadcasts()).manager
    parting = Parting(rooms)
    now = int(time.time())
    sids = [
        connect(rooms, f"e{n}", SocketOwner("ours", "k1", _claims(now + 60 + n)))
        for n in range(10_000)
    ]
    took = []
    for _ in range(20):
        began = time.perf_counter()
        parting.part_with_expired(now)
        took.append(time.perf_counter() - began)
    print(f"\na look at 10,000 tokens: {sorted(took)[10] * 1000:.2f} ms")
    assert rooms.socket_count == 10_000
    assert sorted(took)[10] < 0.02
    parting.part_with_expired(now + 60 + 4_999)
    assert rooms.socket_count == 5_000
    assert parting.ended == 5_000
    for sid in sids[5_000:]:
        rooms.disconnect(sid, NAMESPACE, ignore_queue=True)
    assert rooms._expiries._by_second == {}
