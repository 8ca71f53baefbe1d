"""``GET /events`` and ``GET /events/{id}``: what was published, searched and read."""

from uuid import UUID

import orjson
from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.errors import ValidationFailed
from webapp.events.cursor import Cursors
from webapp.events.event_log import EventLog
from webapp.events.search_schema import PageAsked, load_page
from webapp.http_errors import json_response

MAX_PAGE_BYTES = 8 * 1_048_576
"""A page ends with the event that reaches this, whatever its limit; ``next`` has the rest."""


def make_reading_blueprint(log: EventLog, gate: Gate, cursors: Cursors) -> Blueprint:
    """Return the blueprint through which services read what was published."""
    blueprint = Blueprint("event_log", __name__)

    @blueprint.get("/events")
    def search() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        return _page(log, cursors, load_page(_each_once(request.args), caller.app_id))

    @blueprint.get("/events/<uuid:event_id>")
    def find(event_id: UUID) -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        return json_response(log.find(str(event_id), caller.app_id).to_wire())

    return blueprint


def _each_once(arguments: MultiDict[str, str]) -> dict[str, str]:
    twice = {name: ["Give it once."] for name, values in arguments.lists() if len(values) > 1}
    if twice:
        raise ValidationFailed("a parameter is given more than once", twice)
    return arguments.to_dict()


def _page(log: EventLog, cursors: Cursors, asked: PageAsked) -> Response:
    before = cursors.open(asked.search, asked.cursor) if asked.cursor else None
    page: list[bytes] = []
    size, cursor, last_id = 0, None, ""
    for event in log.newest(asked.search, before, asked.limit + 1):
        if len(page) == asked.limit or size >= MAX_PAGE_BYTES:
            cursor = cursors.seal(asked.search, last_id)
            break
        page.append(orjson.dumps(event.to_wire()))
        size += len(page[-1])
        last_id = event.id
    body = b'{"events":[%b],"next":%b}' % (b",".join(page), orjson.dumps(cursor))
    return Response(body, content_type="application/json")
