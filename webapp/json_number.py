"""Whole numbers in JSON, which has but one kind of number: 18.0 is one."""

from marshmallow import fields

from logger_lib import JsonValue


def as_whole(value: JsonValue) -> JsonValue:
    """Return ``value``, as an integer where it is a number without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class WholeNumber(fields.Integer):
    """A whole number; with ``strict`` neither ``"18"`` nor ``true`` is one."""

    def _validated(self, value: JsonValue) -> int:
        return super()._validated(as_whole(value))
