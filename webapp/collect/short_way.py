"""The short way of ``POST /analytics/collect``: see ``webapp.short_way``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from logger_lib import JsonObject
from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.meter import Headers, Meter
from webapp.access.scopes import Scope
from webapp.collect.calls import CallReader, Collected, check_key_in_address
from webapp.collect.collector import Collector
from webapp.errors import HeraldError
from webapp.short_way import Prepared

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MEDIA = frozenset({"application/json", "text/plain;charset=UTF-8", "text/plain"})
"""As programs and as browsers' beacons write it."""


class CollectShortWay:
    """Prepares a call whose key has just been seen and that brings a good hit, or a batch."""

    def __init__(
        self, reader: CallReader, gate: Gate, collector: Collector, meter: Meter | None
    ) -> None:
        self._reader = reader
        self._gate = gate
        self._collector = collector
        self._meter = meter

    def __call__(self, environ: WSGIEnvironment, body: bytes) -> Prepared | None:
        """Return the call; ``None`` where anything has to be looked up or refused as a whole."""
        caller = self._gate.known(presented_token(environ), Scope.COLLECT)
        if caller is None:
            return None
        try:
            check_key_in_address(caller, environ)
            collected = self._reader.read(body, caller, environ)
        except HeraldError:
            return None
        headers: Headers = []
        if self._meter is not None:
            if not self._meter.spend(caller.key_id, collected.size):
                return None
            headers = self._meter.headers(caller.key_id)
        return Prepared(partial(self._collect, collected), headers)

    def _collect(self, collected: Collected) -> JsonObject:
        self._collector.collect(collected.hits)
        return collected.to_wire()
