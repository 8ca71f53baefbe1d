"""What events and rooms may be called, wherever a caller names them."""

import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from marshmallow import ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue

MAX_NAME = 200
MAX_ROOMS = 100
"""How many rooms one call may name."""

MAX_UNKNOWN = 20
"""How many keys that a call does not take are named: a body has room for 100,000."""

_CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain_name(value: str) -> None:
    """Raise ``ValidationError`` unless ``value`` is a name: one line of 1 to 200 characters."""
    if not value:
        raise ValidationError("Must not be empty.")
    if len(value) > MAX_NAME:
        raise ValidationError(f"Must have at most {MAX_NAME} characters.")
    if _CONTROL_CHARACTER.search(value):
        raise ValidationError("Must have no control characters.")


def with_few_unknown(body: JsonObject, known: Collection[str]) -> JsonObject:
    """Return ``body`` with all of its ``known`` keys, and with no more others than are named."""
    unknown = islice((key for key in body if key not in known), MAX_UNKNOWN)
    return {key: body[key] for key in (*(key for key in known if key in body), *unknown)}


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
        self._check_length = length
        self._validate_each = validate_each

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError("Must be an array.")
        self._check_length(value)
        texts: list[str] = []
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise ValidationError({index: ["Must be a string."]})
            texts.append(item)
        if self._validate_each:
            _validate_all(texts, self._validate_each)
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
