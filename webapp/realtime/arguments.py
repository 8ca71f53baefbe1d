"""What a client sends with the events that mean something here."""

from collections.abc import Mapping

from marshmallow import RAISE, Schema, ValidationError, fields

from logger_lib import JsonValue
from webapp.errors import ValidationFailed
from webapp.events.schema import JoinSchema


class RefreshSchema(Schema):
    """The argument of ``refresh``."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    token = fields.String(required=True)


_join_schema = JoinSchema()
_refresh_schema = RefreshSchema()


def room_in(arguments: tuple[JsonValue, ...]) -> str:
    """Return the room to join or leave; raises ``ValidationFailed`` where none is named."""
    return _text_in(arguments, "room", _join_schema)


def token_in(arguments: tuple[JsonValue, ...]) -> str:
    """Return the token to refresh with; raises ``ValidationFailed`` where there is none."""
    return _text_in(arguments, "token", _refresh_schema)


def _text_in(arguments: tuple[JsonValue, ...], name: str, schema: Schema) -> str:
    payload = arguments[0] if arguments else None
    if not isinstance(payload, Mapping):
        raise ValidationFailed(f'send an object: {{"{name}": "…"}}', {name: ["Is missing."]})
    try:
        text: str = schema.load(payload)[name]
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
    return text
