"""A body of the greatest size keeps nobody waiting, whatever is in it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from tests.web.conftest import App, refused_fields
from tests.web.instructions import most_in_a_turn
from webapp.errors import ValidationFailed
from webapp.events.schema import load_event
from webapp.json_body import MAX_BODY_BYTES, parse_json

FEW = 20_000
"""Instructions: the work of a small event several times over."""

A_TURN = 400_000
"""Instructions that take some milliseconds."""


def full_of(item: bytes, *, field: bytes = b'"data":{"a"', size: int = MAX_BODY_BYTES) -> bytes:
    """Return an event of ``size`` bytes, nearly all of them ``item`` again and again."""
    head = b'{"event":"large","room":"nobody",' + field + b":["
    tail = b"]}}" if b"{" in field else b'],"data":{}}'
    times = (size - len(head) - len(tail) + 1) // (len(item) + 1)
    return head + b",".join([item] * times) + tail


def full_of_keys() -> bytes:
    """Return an event with a hundred thousand keys that none has."""
    keys = ",".join(f'"{number:x}":0' for number in range(100_000))
    return b'{"event":"large","data":{},' + keys.encode() + b"}"


GOOD = {
    "numbers": full_of(b"0"),
    "floats": full_of(b"0.5"),
    "texts": full_of(b'""'),
    "arrays": full_of(b"[]"),
    "objects": full_of(b"{}"),
    "objects with a key": full_of(b'{"":0}'),
    "deep": full_of(b"[" * 61 + b"]" * 61),
    "digits in texts": full_of(b'"1234567890123456789"'),
    "brackets and quotes in texts": full_of(rb'"[\"{\\"'),
}
RARE = {
    "long numbers": full_of(b"1234567890123456789", size=300_000),
    "one long number": full_of(b"[]", size=100_000).replace(b"[]", b"[1234567890123456789]", 1),
    "one NUL": full_of(b"{}", size=100_000).replace(b"{}", rb'["\u0000"]', 1),
}
BAD = {
    "numbers as rooms": (full_of(b"0", field=b'"rooms"'), "rooms"),
    "empty rooms": (full_of(b'""', field=b'"rooms"'), "rooms"),
    "rooms": (full_of(b'"a"', field=b'"rooms"'), "rooms"),
    "numbers as except": (full_of(b"0", field=b'"except"'), "except"),
    "except": (full_of(b'""', field=b'"except"'), "except"),
}


def head_of(app: App, body: bytes) -> bytes:
    """Return what comes before ``body`` where it is published."""
    return (
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {app.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()


def load(raw: bytes) -> None:
    """Do to a body what a publish does before it publishes."""
    with suppress(ValidationFailed):
        load_event(parse_json(raw), "app")


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD.keys())
def test_a_good_event(raw: bytes) -> None:
    """However many values it has: none of them is looked at in Python."""
    assert most_in_a_turn(lambda: load(raw)) < FEW


@pytest.mark.parametrize("raw", RARE.values(), ids=RARE.keys())
def test_an_event_whose_values_are_looked_at(raw: bytes) -> None:
    """Where something may be wrong each value is looked at, and others have turns between."""
    assert most_in_a_turn(lambda: load(raw)) < A_TURN


@pytest.mark.parametrize(("raw", "field"), BAD.values(), ids=BAD.keys())
def test_a_bad_event(module_app: App, raw: bytes, field: str) -> None:
    """A list that is too long is refused as such, at once, and not item by item."""
    assert most_in_a_turn(lambda: load(raw)) < FEW
    answer = module_app.post_raw("/events", raw)
    assert list(refused_fields(answer)) == [field]
    assert len(answer.content) < 1000


def test_unknown_keys(module_app: App) -> None:
    """Some of a hundred thousand keys that an event does not have are named."""
    raw = full_of_keys()
    assert most_in_a_turn(lambda: load(raw)) < FEW
    fields = refused_fields(module_app.post_raw("/events", raw))
    assert fields == {f"{number:x}": ["Unknown field."] for number in range(20)}


def test_the_first_that_is_no_name(module_app: App) -> None:
    """Of what is no string in a list the first is named; of what is no name, all."""
    for rooms, wrong in (
        (["a", 1, "", 2], {"1": ["Must be a string."]}),
        (["", "a", "\n"], {"0": ["Must not be empty."], "2": ["Must have no control characters."]}),
    ):
        answer = module_app.post_raw(
            "/events", json.dumps({"event": "a", "data": {}, "rooms": rooms}).encode()
        )
        assert refused_fields(answer) == {"rooms": wrong}


@pytest.mark.parametrize(
    ("inner", "depth"),
    [(b'"' + b"[" * 100 + b'"', 4), (b'"\\"' + b"{" * 100 + b'\\\\"', 4), (b'{"\\\\":[]}', 5)],
)
def test_brackets_in_texts(module_app: App, inner: bytes, depth: int) -> None:
    """What stands in a text, or in a key, has no part in the depth; what stands around it has."""
    many = b",".join([b"[]"] * 100)
    for more, status in ((64 - depth, 202), (65 - depth, 400)):
        deep = b"[" * more + inner + b"," + many + b"]" * more
        body = b'{"event":"a","data":{"a":[' + deep + b"]}}"
        assert module_app.post_raw("/events", body).status_code == status, more
