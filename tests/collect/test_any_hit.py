"""Whatever a call brings is a hit that every way can carry, or is refused in the envelope."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from logger_lib import JsonValue
from webapp.access.gate import Caller
from webapp.access.scopes import Scope
from webapp.collect.calls import CallReader, Collected
from webapp.collect.hit import Hit
from webapp.collect.hit_form import HitForm, weight
from webapp.collect.policies import DEFAULT_POLICY
from webapp.collect.skew import EARLIEST
from webapp.errors import MalformedBody, ValidationFailed

NOW = 1_795_348_800_000
FIELDS = (
    *("event", "url", "referrer", "device", "userAgent", "ipAddress", "timestamp", "sentAt"),
    *("userId", "sessionId", "messageId", "metadata", "batch", "more"),
)
READER = CallReader(lambda _: DEFAULT_POLICY, lambda: NOW * 1_000_000)
CALLER = Caller("an app", "a key", frozenset({Scope.COLLECT}))

moments = st.one_of(
    st.integers(),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.sampled_from(
        [
            *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-11-22T24:00Z"),
            *("2026-W47-7T12:00:00Z", "20261122T120000+0000", NOW, -NOW, 10**40, 9**19),
        ]
    ),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    moments,
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "a ", "x" * 201, "\ud800", "\0", "::1%lo", "::ffff:1.2.3.4", "1.2.3.4"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
hits: st.SearchStrategy[JsonValue] = st.dictionaries(st.sampled_from(FIELDS), values).map(
    lambda hit: {"event": "a", **hit}
)
calls = st.one_of(
    values,
    hits,
    st.fixed_dictionaries({"batch": st.lists(hits, max_size=5)}, optional={"sentAt": moments}),
)


def check(hit: Hit) -> None:
    """Hold that a hit is in its bounds, and the same after it was on disk."""
    assert HitForm().decode(HitForm().encode(hit)) == hit
    assert EARLIEST <= hit.at <= hit.received_at == NOW
    assert 0 < len(hit.event) <= 200
    assert 0 < len(hit.message_id) <= 100
    assert weight(hit) > len(HitForm().encode(hit)) / 2
    for text in (hit.event, hit.message_id, hit.url, hit.referrer, hit.user_id, hit.session_id):
        assert text is None or ("\0" not in text and text)


def read(raw: bytes) -> Collected:
    """Read a call; one that is refused brings nothing, and its refusal is one of the sender's."""
    with suppress(MalformedBody, ValidationFailed):
        return READER.read(raw, CALLER, {"REMOTE_ADDR": "::1"})
    return Collected([], [])


@given(calls)
def test_any_call(body: JsonValue) -> None:
    """Each hit that is taken can be written down and read; anything else is refused."""
    collected = read(json.dumps(body).encode())
    for hit in collected.hits:
        check(hit)
    json.dumps(collected.to_wire())


@given(st.binary(max_size=60))
def test_any_bytes(raw: bytes) -> None:
    """What is no JSON is refused as such."""
    read(raw)
