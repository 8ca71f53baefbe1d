"""The shape of what is published and joined. Shape only: no lookups, no side effects."""

from collections.abc import Callable
from functools import lru_cache
from typing import Required, TypedDict, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue
from webapp.errors import ValidationFailed
from webapp.events.event import Event
from webapp.json_object import JsonObjectField
from webapp.names import MAX_ROOMS, TextsField, plain_name, publishable_name, with_few_unknown

MAX_EXCLUDED = 1000

KNOWN_NAMES = 10_000
"""How many names of events and rooms are remembered as good: validating them takes the longest."""

# The names that Socket.IO clients keep for themselves: a client that receives one drops the
# connection with "parse error".
RESERVED_NAMES = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


def not_reserved(value: str) -> None:
    """Raise ``ValidationError`` where Socket.IO keeps the name ``value`` for itself."""
    if value in RESERVED_NAMES:
        raise ValidationError(
            "Is reserved by Socket.IO: a client that received it would drop its connection."
        )


class EventSchema(Schema):
    """The body of ``POST /events``, and one item of a batch."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    event = fields.String(required=True, validate=[publishable_name, not_reserved])
    data = JsonObjectField(required=True)
    room = fields.String(validate=publishable_name)
    rooms = TextsField(validate.Length(min=1, max=MAX_ROOMS), publishable_name)
    excluded = TextsField(validate.Length(max=MAX_EXCLUDED), data_key="except")


class JoinSchema(Schema):
    """The argument of ``join`` and ``leave``."""

    room = fields.String(required=True, validate=plain_name)


def _plainest(
    field: fields.Field[JsonValue],
) -> Callable[[JsonValue, str, JsonObject], JsonValue]:
    """Return what ``field`` does with a value: without validators no more than to take it."""
    return field.deserialize if field.validators else field._deserialize


_event_schema = EventSchema()
_fields = {
    str(field.data_key or name): (name, _plainest(field))
    for name, field in _event_schema.load_fields.items()
}
_required = frozenset(
    key for key, (name, _) in _fields.items() if _event_schema.fields[name].required
)


def load_event(body: JsonValue, app_id: str) -> Event:
    """Return the event that ``body`` describes; raises ``ValidationFailed`` by field."""
    if not isinstance(body, dict):
        raise ValidationFailed('send an object: {"event": "…", "data": {…}}')
    loaded = _load_good(body) or _load_any(body)
    named = [loaded["room"]] if "room" in loaded else []
    return Event(
        app_id=app_id,
        name=loaded["event"],
        data=loaded["data"],
        rooms=tuple(dict.fromkeys(named + loaded.get("rooms", []))),
        excluded=frozenset(loaded.get("excluded", ())),
    )


class LoadedEvent(TypedDict, total=False):
    """What the schema returns."""

    event: Required[str]
    data: Required[JsonObject]
    room: str
    rooms: list[str]
    excluded: list[str]


def _load_good(body: JsonObject) -> LoadedEvent | None:
    """Return what the schema's fields make of ``body``; ``None`` where anything is wrong with it.

    A schema also goes through the fields that are absent, and through hooks that there are none
    of: for the small bodies of events that is most of its time.
    """
    loaded: dict[str, JsonValue] = {}
    try:
        for key, value in body.items():
            if type(value) is str:
                loaded[key] = _known_good(key, value)
            else:
                name, deserialize = _fields[key]
                loaded[name] = deserialize(value, key, body)
    except (KeyError, ValidationError):
        return None
    return cast("LoadedEvent", loaded) if _required <= body.keys() else None


@lru_cache(KNOWN_NAMES)
def _known_good(key: str, value: str) -> str:
    """Return ``value`` where the field ``key`` takes it; names come again and again."""
    return cast("str", _fields[key][1](value, key, {}))


def _load_any(body: JsonObject) -> LoadedEvent:
    try:
        return cast("LoadedEvent", _event_schema.load(with_few_unknown(body, _fields)))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
