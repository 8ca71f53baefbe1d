"""``GET /rooms``, ``GET /rooms/{room}/sockets``, ``GET /sockets``: who is there, on all hosts.

And ``DELETE /sockets/{sid}``: who is not, any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, cast

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.routing import PathConverter

from logger_lib import JsonObject, JsonValue
from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.audit import Action, AuditTrail
from webapp.errors import ValidationFailed
from webapp.http_errors import json_response
from webapp.names import MAX_NAME, publishable_name
from webapp.presence.census import Census, Told
from webapp.presence.ending import Ending
from webapp.presence.question import ConnectedRow, Question, RoomRow, SocketRow
from webapp.query_string import each_once

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100


class RoomName(PathConverter):
    """Any text, slashes and all; whether it is a name is said in the envelope."""

    regex = "(?s:.+?)"
    part_isolating = False


class SocketsSchema(Schema):
    """The query string of ``GET /rooms/{room}/sockets`` and ``GET /sockets``."""

    class Meta:
        """A parameter that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    limit = fields.Integer(validate=validate.Range(1, MAX_LIMIT))
    after = fields.String(validate=validate.Length(1, MAX_NAME))


class RoomsSchema(SocketsSchema):
    """The query string of ``GET /rooms``."""

    prefix = fields.String(validate=validate.Length(1, MAX_NAME))


class _Loaded(TypedDict, total=False):
    limit: int
    after: str
    prefix: str


_rooms_schema, _sockets_schema = RoomsSchema(), SocketsSchema()


def make_presence_blueprint(
    census: Census, ending: Ending, gate: Gate, audit: AuditTrail
) -> Blueprint:
    """Return the blueprint through which services see who is there, and end sockets."""
    blueprint = Blueprint("rooms", __name__)

    @blueprint.record
    def _take_names(state: BlueprintSetupState) -> None:
        state.app.url_map.converters["room"] = RoomName

    @blueprint.get("/rooms")
    def rooms() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        question = _question(_rooms_schema, each_once(request.args), caller.app_id)
        return _rooms_told(census.rooms(question))

    @blueprint.get("/rooms/<room:room>/sockets", merge_slashes=False)
    def sockets(room: str) -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        _check_room(room)
        question = _question(_sockets_schema, each_once(request.args), caller.app_id, room)
        return _sockets_told(room, census.sockets(question, room))

    @blueprint.get("/sockets")
    def connected() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.READ)
        question = _question(_sockets_schema, each_once(request.args), caller.app_id)
        return _connected_told(census.connected(replace(question, all_sockets=True)))

    @blueprint.delete("/sockets/<sid>")
    def end(sid: str) -> Response:
        token = presented_token(request.environ)
        # A key that only subscribes may be in everybody's page.
        gate.admit(token, Scope.READ)
        caller = gate.admit(token, Scope.SUBSCRIBE)
        ending.end(caller.app_id, sid)
        about: JsonObject = {"sid": sid, "appId": caller.app_id}
        audit.record(
            Action.SOCKET_ENDED, who=caller.key_id, address=request.remote_addr, about=about
        )
        return Response(status=204)

    return blueprint


def _check_room(room: str) -> None:
    try:
        publishable_name(room)
    except ValidationError as error:
        raise ValidationFailed.from_schema(ValidationError({"room": error.messages})) from error


def _question(
    schema: Schema, given: Mapping[str, str], app_id: str, room: str | None = None
) -> Question:
    try:
        loaded = cast("_Loaded", schema.load(given))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
    return Question(
        app_id,
        loaded.get("limit", DEFAULT_LIMIT),
        loaded.get("after", ""),
        loaded.get("prefix", ""),
        room,
    )


def _rooms_told(told: Told[RoomRow]) -> Response:
    rooms: list[JsonValue] = [{"room": row.name, "sockets": row.sockets} for row in told.page.rows]
    return _told({"sockets": told.page.sockets, "rooms": rooms}, told.page.end, told.unreached)


def _sockets_told(room: str, told: Told[SocketRow]) -> Response:
    sockets: list[JsonValue] = [
        {
            "sid": row.name,
            "host": row.host,
            "since": _moment_text(row.since),
            "subject": row.subject,
        }
        for row in told.page.rows
    ]
    body: JsonObject = {"room": room, "count": told.page.sockets, "sockets": sockets}
    return _told(body, told.page.end, told.unreached)


def _connected_told(told: Told[ConnectedRow]) -> Response:
    sockets: list[JsonValue] = [
        {
            "sid": row.name,
            "host": row.host,
            "connectedAt": _moment_text(row.since),
            "subject": row.subject,
            "rooms": [*row.rooms],
        }
        for row in told.page.rows
    ]
    body: JsonObject = {"count": told.page.sockets, "sockets": sockets}
    return _told(body, told.page.end, told.unreached)


def _told(body: JsonObject, end: str | None, unreached: tuple[str, ...]) -> Response:
    body["next"] = end
    if unreached:
        body["unreached"] = [*unreached]
    return json_response(body)


def _moment_text(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
