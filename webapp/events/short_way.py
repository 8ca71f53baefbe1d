"""The short way of ``POST /events``: see ``webapp.short_way``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from logger_lib import JsonObject, Logger
from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.meter import Headers, Meter
from webapp.access.scopes import Scope
from webapp.acknowledgement import Acknowledgement
from webapp.errors import HeraldError
from webapp.events.event import Event
from webapp.events.publisher import Publisher
from webapp.events.schema import load_event
from webapp.json_body import parse_json
from webapp.short_way import Prepared

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATH = "/events"


class PublishShortWay:
    """Prepares a publish whose key has just been seen and whose body is a good event.

    ``logger`` is that of the blueprint that answers ``PATH`` otherwise, ``meter`` its rate limit.
    """

    def __init__(
        self,
        publisher: Publisher,
        gate: Gate,
        logger: Logger,
        acknowledgement: Acknowledgement,
        meter: Meter | None = None,
    ) -> None:
        self._publisher = publisher
        self._gate = gate
        self._logger = logger
        self._acknowledgement = acknowledgement
        self._meter = meter

    def __call__(self, environ: WSGIEnvironment, body: bytes) -> Prepared | None:
        """Return the publish; ``None`` where anything has to be looked up, kept or refused."""
        if "HTTP_IDEMPOTENCY_KEY" in environ:
            return None
        caller = self._gate.known(presented_token(environ), Scope.PUBLISH)
        if caller is None:
            return None
        try:
            event = load_event(parse_json(body), caller.app_id)
        except HeraldError:
            return None
        headers: Headers = []
        if self._meter is not None:
            if not self._meter.spend(caller.key_id):
                return None
            headers = self._meter.headers(caller.key_id)
        return Prepared(partial(self._publish, event), headers)

    def _publish(self, event: Event) -> JsonObject:
        lost_before = self._acknowledgement.check()
        receipt = self._publisher.publish(event, self._logger)
        self._acknowledgement.confirm(lost_before)
        return receipt.to_wire()
