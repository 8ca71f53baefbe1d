"""A call of the greatest size keeps nobody waiting, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from logger_lib import JsonObject, JsonValue, Limits, inline
from logger_lib.spool.spool import SpoolPlace
from tests.services.hits import SAMPLE
from tests.web.instructions import most_in_a_turn
from webapp.access.gate import Caller
from webapp.access.scopes import Scope
from webapp.collect.calls import MAX_BYTES, MAX_HITS, CallReader
from webapp.collect.collector import Collector
from webapp.collect.hit import Hit
from webapp.collect.policies import DEFAULT_POLICY
from webapp.errors import ValidationFailed

A_TURN = 400_000
"""Instructions that take some milliseconds."""

CALLER = Caller("an app", "a key", frozenset({Scope.COLLECT}))
ENVIRON = {"REMOTE_ADDR": "203.0.113.9", "HTTP_USER_AGENT": "Mozilla/5.0"}
SMALL: JsonObject = {
    "event": "a",
    "timestamp": "2026-11-22T12:00:00Z",
    "url": "https://example.com/",
}
FULL = MAX_BYTES - 100


class Nowhere:
    """A destination that is always done."""

    def write(self, batch: Sequence[Hit]) -> Sequence[tuple[Hit, str]]:
        """Write nothing."""
        del batch
        return ()


def read(raw: bytes) -> list[Hit]:
    return CallReader(lambda _: DEFAULT_POLICY).read(raw, CALLER, ENVIRON).hits


def batch(*items: JsonValue) -> bytes:
    """Return as many of ``items``, again and again, as a call may bring."""
    texts = [json.dumps(item, separators=(",", ":")) for item in items]
    taken: list[str] = []
    size = 0
    while len(taken) < MAX_HITS and size + len(texts[0]) < FULL:
        taken.append(texts[len(taken) % len(texts)])
        size += len(taken[-1]) + 1
    return ('{"batch":[' + ",".join(taken) + "]}").encode()


def one(value: bytes) -> bytes:
    """Return one hit of the greatest size, whose metadata is full of ``value``."""
    return b'{"event":"a","metadata":{"a":[%b]}}' % b",".join([value] * (FULL // (len(value) + 1)))


CALLS = {
    "good hits": batch(SMALL),
    "the sample": batch(SAMPLE),
    "addresses": batch(*({**SMALL, "ipAddress": f"2001:db8:{n:x}::1"} for n in range(MAX_HITS))),
    "bad hits": batch({}),
    "hits with unknown fields": batch({f"field {n}": n for n in range(20)}),
    "one hit of arrays": one(b"[]"),
    "one hit of texts": one(b'""'),
}


@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS.keys())
def test_others_have_turns(raw: bytes, tmp_path: Path) -> None:
    """From the bytes to the buffer, others have their turn every few milliseconds."""
    with closing(
        Collector(Nowhere(), SpoolPlace(tmp_path, 1_048_576, inline), Limits(), stored=False)
    ) as collector:

        def collect() -> None:
            with suppress(ValidationFailed):
                collector.collect(read(raw))

        assert most_in_a_turn(collect) < A_TURN
