"""What a call to ``POST /analytics/collect`` brings: one hit, or a batch of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from logger_lib import JsonObject, JsonValue
from webapp.access.gate import Caller
from webapp.access.scopes import Scope
from webapp.collect.addresses import client_address
from webapp.collect.hit import Hit
from webapp.collect.query_key import is_from_query
from webapp.collect.schema import MAX_USER_AGENT, Arrival, load_hit, load_sent_at
from webapp.errors import BodyTooLarge, Forbidden, HeraldError, ValidationFailed
from webapp.json_body import MAX_DEPTH, parse_json
from webapp.names import MAX_UNKNOWN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATHS = ("/analytics/collect", "/collect")

TEXT = "text/plain"
"""How ``navigator.sendBeacon`` declares a text: what else it could be would cost a preflight."""

MAX_BYTES = 500 * 1024
MAX_HITS = 2_500
DEPTH = MAX_DEPTH + 2
"""A hit in a batch may be nested as deep as an event sent alone."""

WORK_A_TURN = 100
"""How many hits are looked at before others get their turn: 1 to 3 ms."""

BAD_WORK = 10
"""What a hit that is refused costs, in good ones."""


class Policy(Protocol):
    """How an app wants its hits kept."""

    @property
    def keeps_addresses(self) -> bool:
        """Whether addresses are stored whole."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """The hits of a call, and what is wrong with the others, by their index."""

    hits: list[Hit]
    rejected: list[JsonValue]

    @property
    def size(self) -> int:
        """How many there were."""
        return len(self.hits) + len(self.rejected)

    def to_wire(self) -> JsonObject:
        """Return the body of the 202."""
        return {"accepted": len(self.hits), "rejected": self.rejected}


class CallReader:
    """Makes hits of the bodies of calls. ``clock`` tells Unix time in ns."""

    def __init__(
        self, policy_of: Callable[[str], Policy], clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._policy_of = policy_of
        self._clock = clock

    def read(self, raw: bytes, caller: Caller, environ: WSGIEnvironment) -> Collected:
        """Return the hits in ``raw``; nothing is done with them.

        Raises what ``parse_json`` raises, ``BodyTooLarge``, and ``ValidationFailed`` where there is
        no batch: neither a hit nor what could hold some.
        """
        if len(raw) > MAX_BYTES:
            raise BodyTooLarge(
                f"a call may bring {MAX_BYTES} bytes and {MAX_HITS} hits: send several"
            )
        arrival = self._arrival(caller.app_id, environ)
        body = parse_json(raw, max_depth=DEPTH)
        if not isinstance(body, dict) or "batch" not in body:
            return Collected([load_hit(body, arrival)], [])
        items = _batch_in(body)
        return _load_all(items, replace(arrival, sent_at=load_sent_at(body.get("sentAt"))))

    def _arrival(self, app_id: str, environ: WSGIEnvironment) -> Arrival:
        agent = environ.get("HTTP_USER_AGENT", "")[:MAX_USER_AGENT]
        return Arrival(
            app_id=app_id,
            received_at=self._clock() // 1_000_000,
            address=client_address(environ.get("REMOTE_ADDR")),
            user_agent=agent or None,
            keeps_addresses=self._policy_of(app_id).keeps_addresses,
        )


def hits_in(raw: bytes) -> int:
    """Return how many hits a call brings; 1 where it is none of that, or refused."""
    if len(raw) > MAX_BYTES:
        return 1
    try:
        body = parse_json(raw, max_depth=DEPTH)
        return len(_batch_in(body)) if isinstance(body, dict) and "batch" in body else 1
    except HeraldError:
        return 1


def check_key_in_address(caller: Caller, environ: WSGIEnvironment) -> None:
    """Raise ``Forbidden`` where a key that may do more than collect was sent in the address."""
    if is_from_query(environ) and caller.scopes != {Scope.COLLECT}:
        raise Forbidden(
            "a key in an address is read by whoever sees the page: use one that may do nothing but"
            f" {Scope.COLLECT}, or send this one in a header"
        )


def _batch_in(body: JsonObject) -> list[JsonValue]:
    items = body["batch"]
    if not isinstance(items, list):
        raise ValidationFailed('send {"batch": […]}', {"batch": ["Must be an array."]})
    unknown = sorted(islice(body.keys() - {"batch", "sentAt"}, MAX_UNKNOWN))
    if unknown:
        raise ValidationFailed(
            'send {"batch": […], "sentAt": …} and nothing beside it',
            {name: ["Unknown field."] for name in unknown},
        )
    if not 1 <= len(items) <= MAX_HITS:
        raise ValidationFailed(
            f"a batch has 1 to {MAX_HITS} hits", {"batch": [f"Must have 1 to {MAX_HITS} items."]}
        )
    return items


def _load_all(items: list[JsonValue], arrival: Arrival) -> Collected:
    hits: list[Hit] = []
    rejected: list[JsonValue] = []
    work = 0
    for index, item in enumerate(items):
        if work >= WORK_A_TURN:
            work = 0
            time.sleep(0)
        try:
            hits.append(load_hit(item, arrival))
            work += 1
        except ValidationFailed as error:
            rejected.append({"index": index, **error.to_wire()})
            work += BAD_WORK
    return Collected(hits, rejected)
