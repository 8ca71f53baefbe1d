"""What is refused at the publish boundary, alone and in a batch, while nobody is disconnected.

A stock server answered each of these with 200 and lost every browser.
"""

import json
from collections.abc import Iterator
from typing import TypeAlias

import pytest
import requests

from logger_lib import JsonObject, JsonValue
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, object_in, refusal, refused_fields

Case: TypeAlias = tuple[str, JsonObject, str]

GOOD: JsonObject = {"event": "order.created", "data": {}}
A_SID = "<the sid of a connected socket>"
RESERVED = (
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
)
CONTROLS = ("\0", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x9b", "\x9f", "\u2028", "\u2029")

RESERVED_NAMES: list[Case] = [(f"reserved {name}", {"event": name}, "event") for name in RESERVED]
CONTROLS_IN_EVENT: list[Case] = [
    (f"control {ord(control):x}", {"event": f"order{control}paid"}, "event") for control in CONTROLS
]
CONTROLS_IN_ROOM: list[Case] = [
    (f"room control {ord(control):x}", {"room": f"a{control}b"}, "room") for control in CONTROLS
]
BAD_EVENTS: list[Case] = [
    *RESERVED_NAMES,
    *CONTROLS_IN_EVENT,
    *CONTROLS_IN_ROOM,
    ("empty name", {"event": ""}, "event"),
    ("long name", {"event": "x" * 201}, "event"),
    ("null name", {"event": None}, "event"),
    ("number as name", {"event": 1}, "event"),
    ("list as name", {"event": ["order.created"]}, "event"),
    ("object as name", {"event": {"name": "order.created"}}, "event"),
    ("true as name", {"event": True}, "event"),
    ("empty room", {"room": ""}, "room"),
    ("null room", {"room": None}, "room"),
    ("list as room", {"room": ["a"]}, "room"),
    ("object as room", {"room": {"name": "a"}}, "room"),
    ("number as room", {"room": 7}, "room"),
    ("long room", {"room": "x" * 201}, "room"),
    ("sid as room", {"room": A_SID}, "room"),
    ("sid among rooms", {"rooms": ["a", A_SID]}, "room"),
    ("no rooms", {"rooms": []}, "rooms"),
    ("null rooms", {"rooms": None}, "rooms"),
    ("string as rooms", {"rooms": "abc"}, "rooms"),
    ("101 rooms", {"rooms": [str(number) for number in range(101)]}, "rooms"),
    ("empty among rooms", {"rooms": ["a", ""]}, "rooms"),
    ("list among rooms", {"rooms": ["a", ["b"]]}, "rooms"),
    ("null among rooms", {"rooms": [None]}, "rooms"),
    ("null data", {"data": None}, "data"),
    ("list as data", {"data": []}, "data"),
    ("string as data", {"data": "{}"}, "data"),
    ("number as data", {"data": 1}, "data"),
    ("string as except", {"except": "abc"}, "except"),
    ("null except", {"except": None}, "except"),
    ("unknown key", {"channel": "a"}, "channel"),
    ("name of the code", {"excluded": []}, "excluded"),
    ("2^63", {"data": {"n": 2**63}}, "data"),
    ("-2^63 - 1", {"data": {"n": -(2**63) - 1}}, "data"),
    ("2^64, which orjson rounds", {"data": {"n": 2**64}}, "data"),
    ("far below, and nested", {"data": {"a": [{"b": [1, -(10**30)]}]}}, "data"),
    ("NUL in a key", {"data": {"a": [{"b\0": 1}]}}, "data"),
]
MALFORMED = [
    ("NaN", b"NaN"),
    ("Infinity", b"[Infinity]"),
    ("-Infinity", b"-Infinity"),
    ("1e999", b"1e999"),
    ("-1e999", b"-1e999"),
    ("lone high surrogate", rb'"\ud83d"'),
    ("lone low surrogate", rb'{"a":"\ude00"}'),
    ("lone surrogate as a key", rb'{"\ud83d":1}'),
    ("not UTF-8", b'"\xff"'),
    ("a surrogate in UTF-8", b'"\xed\xa0\xbd"'),
    ("a raw line end", b'"a\nb"'),
    ("single quotes", b"'a'"),
    ("a stray comma", b"[1,]"),
    ("a comment", b"1 /* one */"),
    ("a leading zero", b"01"),
]


@pytest.fixture(autouse=True)
def nobody_is_disturbed(module_app: App, bystander: SocketClient) -> Iterator[None]:
    """After each test the client that was there before still is, and hears the next event."""
    yield
    module_app.publish("still.there", {})
    assert bystander.events_until("still.there") == []
    assert bystander.connected


@pytest.mark.parametrize("path", ["/events", "/events/batch"])
@pytest.mark.parametrize(
    ("change", "field"), [pytest.param(*case, id=name) for name, *case in BAD_EVENTS]
)
def test_refused(
    module_app: App, bystander: SocketClient, change: JsonObject, field: str, path: str
) -> None:
    """What an event must not be is refused by field; in a batch it is the item's own answer."""
    changed = json.dumps({**GOOD, **change}).replace(A_SID, bystander.sid)
    if path == "/events":
        fields = refused_fields(module_app.post_raw(path, changed.encode()))
    else:
        answer = module_app.post_raw(path, f'{{"events": [{changed}]}}'.encode())
        assert answer.status_code == 202, answer.text
        (result,) = answer.json()["results"]
        told = error_in(result, "validation_failed")["fields"]
        assert isinstance(told, dict)
        fields = told
    assert list(fields) == [field]
    assert fields[field]


@pytest.mark.parametrize("missing", ["event", "data"])
def test_missing(module_app: App, missing: str) -> None:
    """An event has a name and data; what is missing is named."""
    body = {key: value for key, value in GOOD.items() if key != missing}
    assert list(refused_fields(module_app.post("/events", body))) == [missing]


@pytest.mark.parametrize("wrong", [[], [GOOD], "text", 1, None, True])
def test_no_object(module_app: App, wrong: JsonValue) -> None:
    """A body that is JSON and no object is refused."""
    refusal(module_app.post("/events", wrong), 422, "validation_failed")


@pytest.mark.parametrize("path", ["/events", "/events/batch"])
@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in MALFORMED])
def test_malformed(module_app: App, value: bytes, path: str) -> None:
    """What is no JSON in UTF-8 is refused with its line and column."""
    event = b'{"event": "order.created",\n "data": {"value": ' + value + b"}}"
    body = event if path == "/events" else b'{"events": [' + event + b"]}"
    error = refusal(module_app.post_raw(path, body), 400, "malformed_json")
    assert ", column " in str(error["message"])
    assert "line " in str(error["message"])


@pytest.mark.parametrize("body", [b"", b" ", b"\xef\xbb\xbf{}", b"{", b"[" * 100_000, b'{"a":1}{'])
def test_no_json_at_all(module_app: App, body: bytes) -> None:
    """An empty body, a byte order mark, half a body and a flood of brackets are refused."""
    refusal(module_app.post_raw("/events", body), 400, "malformed_json")


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_hundreds_of_digits(module_app: App, sign: str) -> None:
    """An integer that is too long even for a float is refused as one, not as broken JSON."""
    body = '{"event": "a", "data": {"n": ' + sign + "9" * 5000 + "}}"
    error = refusal(module_app.post_raw("/events", body.encode()), 422, "validation_failed")
    assert "64 bits" in str(error["message"])


@pytest.mark.parametrize(
    "number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0.1, 1e308, 5e-324, 100, -1.5]
)
def test_numbers_arrive_as_they_are(
    module_app: App, bystander: SocketClient, number: int | float
) -> None:
    """Integers of 64 bits and floats are delivered exactly, also where JavaScript would round."""
    module_app.publish("number", {"n": number})
    assert bystander.next_event() == ["number", {"n": number}]


def test_texts_arrive_as_they_are(module_app: App, bystander: SocketClient) -> None:
    """Data may hold any text, and names any that is printable."""
    data: JsonObject = {"\x1b[31m\u2028": "\0\n\x7f\x9b\u2029 😀 é", "": {"$set": 1, "a.b": None}}
    module_app.publish("Größe 😀 $x.y", data)
    assert bystander.next_event() == ["Größe 😀 $x.y", data]


def test_the_longest_names(module_app: App) -> None:
    """200 characters are a name and a room, and 100 rooms are taken; one named twice is one."""
    rooms: list[JsonValue] = [f"{number:03}" + "é" * 197 for number in range(100)]
    answer = module_app.publish("é" * 200, {}, rooms=rooms, room="000" + "é" * 197)
    assert answer["rooms"] == rooms


def nested(depth: int) -> bytes:
    """Return an event of ``depth`` levels in all."""
    inner = depth - 2
    return b'{"event": "deep", "data": {"a":' + b"[" * inner + b"]" * inner + b"}}"


def test_depth(module_app: App, bystander: SocketClient) -> None:
    """64 levels are taken and arrive, 65 are refused; in a batch each event may have as many."""
    assert module_app.post_raw("/events", nested(64)).status_code == 202
    batch = module_app.post_raw("/events/batch", b'{"events": [' + nested(64) + b"]}")
    assert batch.json()["results"][0]["event"] == "deep"
    expected = json.loads(nested(64))["data"]
    assert bystander.next_event() == bystander.next_event() == ["deep", expected]
    refusal(module_app.post_raw("/events", nested(65)), 400, "malformed_json")
    too_deep = module_app.post_raw("/events/batch", b'{"events": [' + nested(65) + b"]}")
    refusal(too_deep, 400, "malformed_json")


def test_depth_beside_a_long_integer(module_app: App) -> None:
    """A thousand levels around an integer that is read twice are refused, not an accident."""
    body = b'{"event": "a", "data": {"a":' + b"[" * 1000 + b"9" * 19 + b"]" * 1000 + b"}}"
    refusal(module_app.post_raw("/events", body), 400, "malformed_json")


def test_the_last_of_duplicate_keys_wins(module_app: App, bystander: SocketClient) -> None:
    """Of keys that come twice the last counts, also beside an integer that is read twice."""
    body = b'{"event": "a", "event": "b", "data": {"n": 1, "n": 1234567890123456789}}'
    assert module_app.post_raw("/events", body).status_code == 202
    assert bystander.next_event() == ["b", {"n": 1234567890123456789}]


def sized(size: int) -> bytes:
    """Return an event of ``size`` bytes."""
    head, tail = b'{"event": "big", "data": {"text": "', b'"}}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


def in_pieces(body: bytes) -> Iterator[bytes]:
    """Yield ``body`` so that ``requests`` sends it chunked."""
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


def test_size(module_app: App, bystander: SocketClient) -> None:
    """1 MiB is taken, one byte more is refused, with its length announced or not."""
    largest = sized(2**20)
    for taken in (
        module_app.post_raw("/events", largest),
        module_app.server.post_raw("/events", in_pieces(largest), module_app.key),
    ):
        assert taken.status_code == 202, taken.text
        assert len(str(bystander.next_data()["text"])) > 2**20 - 100
    refusal(module_app.post_raw("/events", sized(2**20 + 1)), 413, "body_too_large")
    # The end that is one too many is white space: cut off, the rest would be an event.
    chunked = in_pieces(sized(2**20) + b" ")
    answer = module_app.server.post_raw("/events", chunked, module_app.key)
    refusal(answer, 413, "body_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_not_declared_as_json(module_app: App, kind: str) -> None:
    """A body that is not declared as JSON is refused, and the answer says how to."""
    answer = module_app.post_raw("/events", json.dumps(GOOD).encode(), Content_Type=kind)
    assert "application/json" in str(refusal(answer, 415, "unsupported_media_type")["message"])


def test_declared_as_json_in_another_way(app: App) -> None:
    """A charset beside the type, and types that are JSON by their suffix, are taken."""
    for kind in ("application/json; charset=utf-8", "application/vnd.orders+json"):
        answer = app.post_raw("/events", json.dumps(GOOD).encode(), Content_Type=kind)
        assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/events", "/events/batch"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods(module_app: App, method: str, path: str) -> None:
    """A method that the path does not have is refused with those that it has."""
    answer = requests.request(method, module_app.server.url + path, timeout=10)
    refusal(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/event", "/events/batch/x/y", "/eventsbatch", "/%00", "/…"])
def test_other_paths(module_app: App, path: str) -> None:
    """A path that leads nowhere is answered in the same form."""
    refusal(module_app.post(path, GOOD), 404, "not_found")


def test_except(module_app: App, bystander: SocketClient) -> None:
    """A socket that is excepted does not get the event, and is not counted."""
    with module_app.connect() as other:
        body: JsonObject = {**GOOD, "except": [bystander.sid, "unknown"]}
        assert object_in(module_app.post("/events", body))["recipients"] == 1
        assert other.next_event() == ["order.created", {}]


def test_several_rooms(module_app: App) -> None:
    """A socket in several of the rooms gets the event once; the answer names the rooms."""
    with module_app.connect("a", "b") as both, module_app.connect("b") as one:
        answer = module_app.publish("rooms", {}, room="a", rooms=["b", "a", "empty"])
        assert answer["rooms"] == ["a", "b", "empty"]
        assert answer["recipients"] == 2
        assert both.next_event() == one.next_event() == ["rooms", {}]
        module_app.publish("last", {}, room="b")
        assert both.events_until("last") == one.events_until("last") == []


def test_nobody_there(app: App) -> None:
    """An event that nobody is there to get is taken all the same, and logged."""
    answer = app.publish("lonely", {"lonelyId": app.key[-12:]}, room="empty")
    assert answer["recipients"] == 0
    app.server.wait_for_log(f"[lonely] lonelyId: {app.key[-12:]}")
    assert object_in(app.post("/events", GOOD))["rooms"] == []
