"""What ``POST /auth/logout`` takes: as a form, in its query, or as JSON."""

from flask import Request
from marshmallow import RAISE, Schema, ValidationError, fields

from logger_lib import JsonValue
from webapp.errors import ValidationFailed
from webapp.json_body import read_json


def _require_boolean(value: JsonValue) -> None:
    if not isinstance(value, bool):
        raise ValidationError("Must be true or false.")


class LogoutSchema(Schema):
    """The body of ``POST /auth/logout``. What it does not know may be a typing mistake."""

    class Meta:
        """A key that is not known is an error."""

        unknown = RAISE

    everywhere = fields.Raw(load_default=False, validate=_require_boolean)


_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_TEXTS = {"true": True, "false": False}
_logout = LogoutSchema()


def is_everywhere(request: Request) -> bool:
    """Say whether ``request`` asks for all sessions of the user to end.

    Raises ``ValidationFailed`` by field, and what ``read_json`` does: whoever asks for it in a way
    that is not understood must not believe that it was done.
    """
    asked: dict[str, JsonValue] = {
        name: _TEXTS.get(value, value)
        for name, value in request.values.items()
        if name == "everywhere"
    }
    if request.mimetype not in _FORMS and request.get_data():
        body = read_json(request)
        if not isinstance(body, dict):
            raise ValidationFailed("send a JSON object")
        asked |= body
    try:
        return bool(_logout.load(asked)["everywhere"])
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
