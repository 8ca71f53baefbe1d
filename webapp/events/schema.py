"""The shape of what is published and joined. Shape only: no lookups, no side effects."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Required, TypedDict, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue
from webapp.errors import ValidationFailed
from webapp.events.event import Event

MAX_NAME = 200
MAX_ROOMS = 100
MAX_EXCLUDED = 1000

KNOWN_NAMES = 10_000
"""How many names of events and rooms are remembered as good: validating them takes the longest."""

INTEGERS = range(-(2**63), 2**63)
"""What every destination can hold: integers of 64 bits. JavaScript rounds beyond 2^53."""

# The names that Socket.IO clients keep for themselves: a client that receives one drops the
# connection with "parse error".
RESERVED_NAMES = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)

_CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _plain_name(value: str) -> None:
    if not value:
        raise ValidationError("Must not be empty.")
    if len(value) > MAX_NAME:
        raise ValidationError(f"Must have at most {MAX_NAME} characters.")
    if _CONTROL_CHARACTER.search(value):
        raise ValidationError("Must have no control characters.")


def _not_reserved(value: str) -> None:
    if value in RESERVED_NAMES:
        raise ValidationError(
            "Is reserved by Socket.IO: a client that received it would drop its connection."
        )


class JsonObjectField(fields.Field[JsonObject]):
    """A JSON object that every destination can hold: integers of 64 bits, no NUL in a key."""

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> JsonObject:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        waiting: list[JsonObject | list[JsonValue]] = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                _check_keys(item)
                children: Iterable[JsonValue] = item.values()
            else:
                children = item
            for child in children:
                # By their exact types: this runs for every value of every event.
                kind = type(child)
                if kind is dict or kind is list:
                    waiting.append(cast("JsonObject | list[JsonValue]", child))
                elif kind is int and child not in INTEGERS:
                    raise ValidationError(
                        f"{child} does not fit into 64 bits: send it as a string."
                    )
        return value


def _check_keys(item: JsonObject) -> None:
    if "\0" in "".join(item):
        raise ValidationError("A key must not contain NUL: MongoDB cannot hold it.")


def _room_name() -> fields.String:
    return fields.String(validate=_plain_name)


class EventSchema(Schema):
    """The body of ``POST /events``, and one item of a batch."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    event = fields.String(required=True, validate=[_plain_name, _not_reserved])
    data = JsonObjectField(required=True)
    room = _room_name()
    rooms = fields.List(_room_name(), validate=validate.Length(min=1, max=MAX_ROOMS))
    excluded = fields.List(
        fields.String(), data_key="except", validate=validate.Length(max=MAX_EXCLUDED)
    )


class JoinSchema(Schema):
    """The argument of ``join`` and ``leave``."""

    room = fields.String(required=True, validate=_plain_name)


_event_schema = EventSchema()
_fields = {
    str(field.data_key or name): (name, field.deserialize)
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
        return cast("LoadedEvent", _event_schema.load(body))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
