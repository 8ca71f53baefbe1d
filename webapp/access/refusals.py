"""Refused calls, as the audit trail has them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, Response, request
from limits import RateLimitItemPerMinute

from logger_lib import JsonObject
from webapp.access.address import address_group
from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.meter import Meter
from webapp.access.rate_limits import RateLimits
from webapp.access.windows import Windows
from webapp.audit import Action, AuditTrail, refusal_told

OF_ONE = RateLimitItemPerMinute(10)
"""How many refusals of an address are written down; enough to see that it goes on."""

OF_ALL = RateLimitItemPerMinute(600)
_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call that was refused. ``where`` is a route or the name of a packet, without values."""

    status: int
    address: str | None
    where: str
    token: str | None
    action: Action = Action.CALL_REFUSED
    about: JsonObject = field(default_factory=dict)


class Refusals:
    """Writes down who was refused what, and tells ``limits`` of keys that were not good.

    Of the refusals of an address, and of all, so many of each ``Action`` a minute are written: with
    what costs nothing nobody hides what matters. The others are counted in ``left_out``, and the
    next one that is written says how many they were.
    """

    def __init__(
        self,
        audit: AuditTrail,
        gate: Gate,
        limits: RateLimits,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audit = audit
        self._gate = gate
        self._limits = limits
        # Of this host alone: it is its log that is kept from being flooded.
        windows = Windows(timer=timer)
        self._of_one = Meter(windows, OF_ONE, "refusals of one", "")
        self._of_all = Meter(windows, OF_ALL, "refusals of all", "")
        self._told = 0
        self.left_out = 0

    def watch(self, app: Flask) -> None:
        """Take note of the refusals of ``app``'s views."""
        app.after_request(self._note_answer)

    def note(self, refused: RefusedCall) -> bool:
        """Take note of a 401 or 403; any other status is not about who calls.

        False where there are too many to write down any more of them.
        """
        if refused.status not in _REFUSED:
            return True
        if refused.status == 401 and refused.token is not None:
            self._limits.note_bad_key(refused.address)
        who = f"{refused.action} {address_group(refused.address)}"
        if self._of_one.spend(who) and self._of_all.spend(refused.action):
            self._write(refused)
            return True
        self.left_out += 1
        return False

    def _write(self, refused: RefusedCall) -> None:
        left_out, self._told = self.left_out - self._told, self.left_out
        caller = self._gate.remembered(refused.token)
        self._audit.record(
            refused.action,
            who="" if caller is None else caller.key_id,
            address=refused.address,
            about={
                "status": refused.status,
                "where": refused.where,
                "leftOutBefore": left_out,
                **refused.about,
            },
        )

    def _note_answer(self, response: Response) -> Response:
        if response.status_code in _REFUSED:
            rule = "nowhere" if request.url_rule is None else request.url_rule.rule
            self.note(
                RefusedCall(
                    response.status_code,
                    request.remote_addr,
                    f"{request.method} {rule}",
                    presented_token(request.environ),
                    *(refusal_told() or ()),
                )
            )
        return response
