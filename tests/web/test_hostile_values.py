"""Nothing that a client sends forges a log line, colours a terminal or breaks a destination."""

import re
from typing import TypeAlias

import bson
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import JsonObject, JsonValue
from tests.web.conftest import App
from webapp.errors import ValidationFailed
from webapp.events.schema import RESERVED_NAMES, load_event

Json: TypeAlias = st.SearchStrategy[JsonValue]

FORGED = "[Herald] 1 - 01/01/2026, 9:46:00 PM  [order.paid] paymentId: forged +4ms"
HOSTILE = [
    f"x\n{FORGED}",
    f"x\r{FORGED}",
    f"x\r\n{FORGED}",
    f"x\u2028{FORGED}",
    f"x\u2029{FORGED}",
    f"x\x85{FORGED}",
    f"x\x0b{FORGED}",
    f"x\x0c{FORGED}",
    "\x1b[2J\x1b[31mred",
    "\x9b31mred",
    "\x1b]0;title\x07",
    "a\bb\0c\x7f",
    "\u202egnirts",
    "{0} %s %(name)s {record}",
]
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_on_the_running_servers_output(app: App, value: str) -> None:
    """Hostile text in values and keys becomes one line in the log, with its controls visible."""
    start = len(app.server.log_text())
    app.publish("hostile", {"hostileId": value})
    app.publish("hostile", {value.replace("\0", "") + "id": 1})
    app.publish("marker", {"markerId": ascii(value)})
    printed = app.server.wait_for_log(f"[marker] markerId: {value!a} ")[start:]
    lines = printed.splitlines()
    assert CONTROLS.search(printed) is None
    assert len([line for line in lines if "[hostile]" in line]) == 2
    assert not [line for line in lines if line.startswith(FORGED)]
    assert all(re.match(rf"\[Herald\] {app.server.worker_pid} - ", line) for line in lines)


def test_in_what_is_refused(app: App) -> None:
    """Hostile names, rooms, keys and tokens are refused without a word of them in the log."""
    start = len(app.server.log_text())
    for hostile in HOSTILE[:-2]:
        for body in ({"event": hostile}, {"room": hostile}, {hostile: 1}):
            answer = app.post("/events", {"event": "a", "data": {}, **body})
            assert answer.status_code == 422
    app.publish("marker", {"markerId": "after the refused"})
    printed = app.server.wait_for_log("markerId: after the refused")[start:]
    assert len(printed.splitlines()) == 1


integers = st.integers() | st.integers(-(2**63) - 2, 2**63 + 1)
scalars = st.one_of(
    st.none(), st.booleans(), integers, st.floats(allow_nan=False, allow_infinity=False), st.text()
)
values: Json = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
data = st.dictionaries(st.text(max_size=5), values, max_size=4)
names = st.one_of(
    st.text(max_size=8),
    st.text(min_size=199, max_size=201),
    st.sampled_from([*RESERVED_NAMES, "order.paid"]),
)
bodies = st.fixed_dictionaries(
    {"event": names | values, "data": data | values},
    optional={
        "room": names | values,
        "rooms": st.lists(names, max_size=3) | values,
        "except": st.lists(st.text(), max_size=3) | values,
        "surplus": values,
    },
)


@given(bodies)
def test_what_the_schema_accepts(body: JsonObject) -> None:
    """Whatever is accepted has harmless names, and fits JSON, BSON and 64 bits as it is."""
    try:
        event = load_event(body, "app")
    except ValidationFailed:
        return
    assert "surplus" not in body
    assert event.name not in RESERVED_NAMES
    for name in (event.name, *event.rooms):
        assert 1 <= len(name) <= 200
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", name)
    assert event.data == body["data"]
    assert orjson.loads(orjson.dumps([event.name, event.data])) == [event.name, event.data]
    assert bson.decode(bson.encode({"fields": event.data})) == {"fields": event.data}


@given(names, data)
def test_what_the_schema_need_not_refuse(name: str, data: JsonObject) -> None:
    """A plain name and plain data are accepted, whatever they say."""
    plain = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "", name)[:200] or "a"
    harmless: JsonObject = {"text": "".join(data), "count": len(data)}
    if plain not in RESERVED_NAMES:
        assert load_event({"event": plain, "data": harmless}, "app").name == plain
