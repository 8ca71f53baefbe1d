"""``GET /events`` and ``GET /events/{id}``: what was published, searched and read."""

from collections.abc import Iterable
from uuid import UUID

import orjson
from flask import Blueprint, Response, request

from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.errors import SearchTooLong
from webapp.events.cursor import Cursors
from webapp.events.event_log import EventLog, StoredEvent
from webapp.events.search_schema import PageAsked, load_page
from webapp.http_errors import json_bytes, json_response
from webapp.query_string import each_once

MAX_PAGE_BYTES = 8 * 1_048_576
"""A page ends with the event that reaches this, whatever its limit; ``next`` has the rest."""


def make_reading_blueprint(log: EventLog, gate: Gate, cursors: Cursors) -> Blueprint:
    """Return the blueprint through which services read what was published."""
    blueprint = Blueprint("event_log", __name__)

    @blueprint.get("/events")
    def search() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        return _page(log, cursors, load_page(each_once(request.args), caller.app_id))

    @blueprint.get("/events/<uuid:event_id>")
    def find(event_id: UUID) -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        return json_response(log.find(str(event_id), caller.app_id).to_wire())

    return blueprint


def _page(log: EventLog, cursors: Cursors, asked: PageAsked) -> Response:
    before = cursors.open(asked.search, asked.cursor) if asked.cursor else None
    page: list[bytes] = []
    try:
        end = _fill(page, log.newest(asked.search, before, asked.limit + 1), asked.limit)
    except SearchTooLong as error:
        if error.reached is None:
            raise
        end = error.reached
    cursor = None if end is None else cursors.seal(asked.search, end)
    body = b'{"events":[%b],"next":%b}' % (b",".join(page), orjson.dumps(cursor))
    return Response(body, content_type="application/json")


def _fill(page: list[bytes], found: Iterable[StoredEvent], limit: int) -> str | None:
    """Append events to ``page`` until it is full; return the last one's id if more follow."""
    size, last_id = 0, None
    for event in found:
        if len(page) == limit or size >= MAX_PAGE_BYTES:
            return last_id
        page.append(json_bytes(event.to_wire()))
        size += len(page[-1])
        last_id = event.id
    return None
