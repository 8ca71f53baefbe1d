"""``POST /tokens``: a room token for one client, made with the key of its app."""

from typing import Required, TypedDict, cast

from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue
from webapp.access.gate import Caller, Gate
from webapp.access.http_key import presented_token
from webapp.access.room_tokens import (
    DEFAULT_TTL,
    MAX_TTL,
    RoomClaims,
    RoomTokens,
    room_or_pattern,
)
from webapp.access.scopes import Scope
from webapp.audit import Action, AuditTrail
from webapp.errors import ValidationFailed
from webapp.http_errors import json_response
from webapp.json_body import read_json
from webapp.json_number import WholeNumber
from webapp.names import MAX_ROOMS, TextsField, plain_name, with_few_unknown


class TokenSchema(Schema):
    """The body of ``POST /tokens``."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    rooms = TextsField(validate.Length(min=1, max=MAX_ROOMS), room_or_pattern, required=True)
    ttl = WholeNumber(strict=True, validate=validate.Range(1, MAX_TTL))
    subject = fields.String(validate=plain_name)


class TokenAsked(TypedDict, total=False):
    """What the schema returns."""

    rooms: Required[list[str]]
    ttl: int
    subject: str


_schema = TokenSchema()


def make_tokens_blueprint(gate: Gate, tokens: RoomTokens, trail: AuditTrail) -> Blueprint:
    """Return the blueprint through which services get room tokens for their clients."""
    blueprint = Blueprint("tokens", __name__)

    @blueprint.post("/tokens")
    def issue() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.SUBSCRIBE)
        asked = _asked_in(read_json(request))
        token, claims = tokens.issue(
            caller, asked["rooms"], asked.get("ttl", DEFAULT_TTL), asked.get("subject")
        )
        _record(trail, caller, claims)
        response = json_response({"token": token, **_told(claims)}, 201)
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _asked_in(body: JsonValue) -> TokenAsked:
    if not isinstance(body, dict):
        raise ValidationFailed('send an object: {"rooms": ["…"]}')
    try:
        return cast("TokenAsked", _schema.load(with_few_unknown(body, _schema.fields)))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error


def _told(claims: RoomClaims) -> JsonObject:
    return {"expiresAt": claims.expiry_text, "rooms": list(claims.rooms)}


def _record(trail: AuditTrail, caller: Caller, claims: RoomClaims) -> None:
    about: JsonObject = {"token": claims.id, "app": claims.app_id, "subject": claims.subject}
    trail.record(
        Action.TOKEN_ISSUED,
        who=caller.key_id,
        address=request.remote_addr,
        about={**about, **_told(claims)},
    )
