"""What a browser's client sees: ``socket.io-client``, the one that is strict about packets."""

import json
import threading

import pytest

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess

TRANSPORTS = [
    pytest.param(["websocket"], id="websocket"),
    pytest.param(["polling"], id="polling"),
    pytest.param(None, id="upgrade"),
]


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_rooms(
    gateway: HeraldServer, key: str, node: NodeProcess, transports: list[str] | None
) -> None:
    """Events reach the sockets of a room, of several rooms once, and all but the excepted."""
    first = node.open(gateway.url, key, transports)
    second = node.open(gateway.url, key, transports)
    sids = first.connected(), second.connected()
    first.join("a", "b")
    second.join("b")
    assert _publish(gateway, key, 1, room="a") == 1
    assert _publish(gateway, key, 2, rooms=["a", "b", "nobody"]) == 2
    assert _publish(gateway, key, 3) == 2
    but_first: dict[str, JsonValue] = {"except": [sids[0]]}
    assert _publish(gateway, key, 4, **but_first) == 1
    assert first.call("leave", {"room": "a"}) == {"ok": True, "room": "a"}
    assert _publish(gateway, key, 5, room="a") == 0
    assert _publish(gateway, key, 6) == 2
    assert first.wait_for_events("order.created", 4) == [{"n": n} for n in (1, 2, 3, 6)]
    assert second.wait_for_events("order.created", 4) == [{"n": n} for n in (2, 3, 4, 6)]


def test_upgrade(gateway: HeraldServer, key: str, node: NodeProcess) -> None:
    """Events posted while a client changes from polling to WebSocket arrive once and in order."""
    stop, posted = threading.Event(), list[int]()

    def post() -> None:
        while not stop.is_set():
            assert gateway.post("/events", {"event": "tick", "data": {"n": len(posted)}}, key).ok
            posted.append(len(posted))

    poster = threading.Thread(target=post)
    poster.start()
    try:
        sockets = [node.open(gateway.url, key) for _ in range(10)]
        for socket in sockets:
            socket.connected()
            assert socket.wait_for("upgrade") == ["websocket"]
    finally:
        stop.set()
        poster.join()
    assert gateway.post("/events", {"event": "tick", "data": {"n": len(posted)}}, key).ok
    last: JsonValue = {"n": len(posted)}
    for socket in sockets:
        got = socket.wait_for_events("tick", 1)
        while got[-1] != last:
            got = socket.wait_for_events("tick", len(got) + 1)
        begin = got[0]
        assert isinstance(begin, dict)
        start = begin["n"]
        assert isinstance(start, int)
        assert got == [{"n": n} for n in range(start, len(posted) + 1)]


@pytest.mark.parametrize("transports", TRANSPORTS[:2])
def test_bad_token(gateway: HeraldServer, node: NodeProcess, transports: list[str] | None) -> None:
    """A bad token is a ``connect_error`` that says what to do, with the code for programs."""
    socket = node.open(gateway.url, "herald_nonsense", transports, reconnection=False)
    message, data = socket.wait_for("connect_error")
    assert isinstance(message, str)
    assert "API key" in message
    assert isinstance(data, dict)
    assert isinstance(data["error"], dict)
    assert data["error"]["code"] == "unauthorized"
    assert socket.seen("connect") == []


@pytest.mark.parametrize("transports", TRANSPORTS[:2])
def test_hostile_publishes(
    gateway: HeraldServer, key: str, node: NodeProcess, transports: list[str] | None
) -> None:
    """What would make every client drop with 'parse error' is refused, and they stay connected."""
    socket = node.open(gateway.url, key, transports)
    sid = socket.connected()
    for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", ""):
        assert gateway.post("/events", {"event": name, "data": {}}, key).status_code == 422
    for body in (b'{"event":"a","data":{"x":NaN}}', b'{"event":"a","data":{"x":1e999}}'):
        assert gateway.post_raw("/events", body, key).status_code == 400
    hostile: list[JsonObject] = [{"event": None, "data": {}}, {"event": ["a"], "data": {}}]
    rooms: list[JsonValue] = ["", [], {"a": 1}, sid]
    hostile.extend({"event": "a", "data": {}, "room": room} for room in rooms)
    for event in hostile:
        assert gateway.post("/events", event, key).status_code == 422
    assert _publish(gateway, key, 1) == 1
    assert socket.wait_for_events("order.created", 1) == [{"n": 1}]
    assert socket.seen("disconnect") == []


@pytest.mark.parametrize("transports", TRANSPORTS[:2])
def test_payloads(
    gateway: HeraldServer, key: str, node: NodeProcess, transports: list[str] | None
) -> None:
    """Numbers, any text and 900 KB arrive as they were posted."""
    data: list[JsonObject] = [
        {"int": 2**53 - 1, "negative": -(2**53) + 1, "float": 0.1, "none": None, "yes": True},
        {"text": "a\u2028b\u2029c \U0001f600 \U00010348 \u00e9\u0301 \"'\\/<>&\x7f \ufffd \u0000"},
        {"\u2028\U0001f600": {"": [[], {}, ""]}, "__proto__x": 1, "_placeholder": True, "num": 0},
        {"big": "ß" * 450_000},
    ]
    socket = node.open(gateway.url, key, transports)
    socket.connected()
    for value in data:
        body = json.dumps({"event": "payload", "data": value}, ensure_ascii=False).encode()
        assert gateway.post_raw("/events", body, key).status_code == 202
    assert socket.wait_for_events("payload", len(data)) == data


def test_errors_in_acknowledgements(gateway: HeraldServer, key: str, node: NodeProcess) -> None:
    """A refused ``join`` is acknowledged with the envelope that HTTP errors have."""
    socket = node.open(gateway.url, key, ["websocket"])
    socket.connected()
    answer = socket.call("join", {"room": ""})
    assert isinstance(answer, dict)
    assert isinstance(answer["error"], dict)
    assert answer["error"]["code"] == "validation_failed"
    assert answer["error"]["fields"] == {"room": ["Must not be empty."]}


def _publish(server: HeraldServer, key: str, number: int, **where: JsonValue) -> int:
    body: JsonObject = {"event": "order.created", "data": {"n": number}, **where}
    answer = server.post("/events", body, key)
    assert answer.status_code == 202, answer.text
    recipients = answer.json()["recipients"]
    assert isinstance(recipients, int)
    return recipients
