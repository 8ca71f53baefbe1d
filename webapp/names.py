"""What events and rooms may be called, wherever a caller names them."""

import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from marshmallow import ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue

MAX_NAME = 200
MAX_ROOMS = 100
"""How many rooms one call may name."""

LONGEST_ID = 36

MAX_UNKNOWN = 20
"""How many keys that a call does not take are named: a body has room for 100,000."""

OWN = "herald:"
"""What the names of Herald's own rooms and events begin with."""

HITS_ROOM = f"{OWN}hits"
"""The room in which an app's hits are shown as they come, to who may read them."""

EVENTS_ROOM = f"{OWN}events"
"""The room in which an app's events are shown as they are published, to who may read them."""

LIVE_ROOMS = (HITS_ROOM, EVENTS_ROOM)
"""The rooms in which what happens in an app is shown, of which other hosts are told."""

PRESENCE = f"{OWN}presence:"
"""Before a room's name: the room in which is told who joins and leaves that one."""


def watched_by(room: str) -> str | None:
    """Return the name of the room whose comings and goings are told in ``room``, if they are."""
    watched = room.removeprefix(PRESENCE)
    return watched if room.startswith(PRESENCE) and watched and not is_own(watched) else None


def is_own(name: str) -> bool:
    """Say whether ``name`` is that of a room or an event of Herald's own."""
    return name.startswith(OWN)


_CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def has_control_character(value: str) -> bool:
    """Say whether ``value`` would not stay on one line, or is not shown as it is."""
    return _CONTROL_CHARACTER.search(value) is not None


def plain_name(value: str) -> None:
    """Raise ``ValidationError`` unless ``value`` is a name: one line of 1 to 200 characters."""
    if not value:
        raise ValidationError("Must not be empty.")
    if len(value) > MAX_NAME:
        raise ValidationError(f"Must have at most {MAX_NAME} characters.")
    if has_control_character(value):
        raise ValidationError("Must have no control characters.")


def publishable_name(value: str) -> None:
    """Raise ``ValidationError`` unless an event or a room that is published to may be called so."""
    plain_name(value)
    if value.startswith(OWN):
        raise ValidationError(f"Must not begin with {OWN} as Herald's own events and rooms do.")


def with_few_unknown(body: JsonObject, known: Collection[str]) -> JsonObject:
    """Return ``body`` with all of its ``known`` keys, and with no more others than are named."""
    unknown = islice((key for key in body if key not in known), MAX_UNKNOWN)
    return {key: body[key] for key in (*(key for key in known if key in body), *unknown)}


def may_be_id(value: str) -> bool:
    """Say whether ``value`` can be an id that was made here: not all texts can be asked for."""
    return len(value) <= LONGEST_ID and value.isascii() and value.isprintable()


class TextsField(fields.Field[list[str]]):
    """A list of strings, of which there are not too many, each as ``validate_each`` says.

    How many there are is looked at first, and only the first that is no string is told:
    marshmallow's own list words an error for each of a million.
    """

    def __init__(
        self,
        length: validate.Length,
        validate_each: Callable[[str], None] | None = None,
        *,
        data_key: str | None = None,
        required: bool = False,
    ) -> None:
        super().__init__(data_key=data_key, required=required)
        self.length = length
        self.validate_each = validate_each

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError("Must be an array.")
        self.length(value)
        texts: list[str] = []
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise ValidationError({index: ["Must be a string."]})
            texts.append(item)
        if self.validate_each:
            _validate_all(texts, self.validate_each)
        return texts


def _validate_all(texts: list[str], validate_each: Callable[[str], None]) -> None:
    wrong: dict[str | int, list[str]] = {}
    for index, text in enumerate(texts):
        try:
            validate_each(text)
        except ValidationError as error:
            wrong[index] = [str(error)]
    if wrong:
        raise ValidationError(wrong)
