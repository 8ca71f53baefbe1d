"""The fields of the schemas in the words of JSON Schema, by the limits that they are checked by.

marshmallow's own fields and validators apispec knows by itself; here are those that Herald has
written, each described from the constants that it refuses by.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from marshmallow import fields

from logger_lib import JsonObject, JsonValue
from logger_lib.words import MAX_WORD
from webapp.access.apps import LONGEST_NAME
from webapp.access.owner_schema import LONGEST_URL, owners_name, owners_name_or_none, site_url
from webapp.access.room_tokens import room_or_pattern
from webapp.analytics.question_schema import Day, Exact
from webapp.collect.schema import AddressField, LineField, MomentField, NameField
from webapp.collect.skew import LEAST_NUMBER
from webapp.events.schema import RESERVED_NAMES, not_reserved
from webapp.events.search_schema import MAX_WORDS_ASKED, Moment, Words
from webapp.json_number import WholeNumber
from webapp.json_object import JsonObjectField
from webapp.names import MAX_NAME, OWN, TextsField, plain_name, publishable_name

CONTROL = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029"
ONE_LINE = f"^[^{CONTROL}]*$"
ONE_LINE_TO_ITS_END = f"^([^{CONTROL}]*[^{CONTROL} ])?$"
"""… whose last character is no blank."""

_PLAIN: JsonObject = {"minLength": 1, "maxLength": MAX_NAME, "pattern": ONE_LINE}
_PUBLISHABLE: JsonObject = {**_PLAIN, "pattern": f"^(?!{OWN})[^{CONTROL}]*$"}
_ASTERISK_AT_END: JsonObject = {
    **_PLAIN,
    "pattern": f"^([^{CONTROL}*]*[^{CONTROL}]|[^{CONTROL}*]+\\*)$",
    "not": {"const": "*"},
}
_OWNERS_NAME: JsonObject = {
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    # "Printable" is Python's word for what no pattern says: these are sure to be.
    "pattern": "^[!-~]([ -~]*[!-~])?$",
}
_SITE: JsonObject = {
    "format": "uri",
    "maxLength": LONGEST_URL,
    "pattern": "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$",
}

BY_VALIDATOR: Mapping[Callable[[str], None], JsonObject] = {
    plain_name: _PLAIN,
    publishable_name: _PUBLISHABLE,
    not_reserved: {"not": {"enum": [*sorted(RESERVED_NAMES)]}},
    room_or_pattern: _ASTERISK_AT_END,
    owners_name: _OWNERS_NAME,
    owners_name_or_none: {
        "maxLength": LONGEST_NAME,
        "pattern": "^([!-~]([ -~]*[!-~])?)?$",
    },
    site_url: _SITE,
}

JSON_VALUE: JsonObject = {
    # No schema says it: 1e30 is an integer to JSON Schema, and taken.
    "description": "Any JSON, but for integers that are written beyond 64 bits.",
    "anyOf": [
        {"type": ["null", "boolean", "string", "number"]},
        {"type": "array", "items": {"$ref": "#/components/schemas/JsonValue"}},
        {"$ref": "#/components/schemas/JsonObject"},
    ],
}
JSON_OBJECT: JsonObject = {
    "type": "object",
    "propertyNames": {"pattern": "^[^\\u0000]*$"},
    "additionalProperties": {"$ref": "#/components/schemas/JsonValue"},
}
"""Both are components of the document, as they name each other."""

ISO_TIME: JsonObject = {
    "type": "string",
    "format": "date-time",
    "description": "ISO 8601 with the offset from UTC.",
}


AnyField: TypeAlias = (
    "fields.Field[JsonValue] | TextsField | LineField | AddressField | MomentField"
    " | JsonObjectField | Day | Moment | Words"
)


def limits_of(field: AnyField) -> JsonObject:
    """Return what is to be said of ``field`` beside what apispec knows; raises ``Undescribed``."""
    described = _of_class(field)
    for validator in field.validators:
        described |= BY_VALIDATOR.get(validator, {})
    if type(field) not in _KNOWN and not described:
        raise Undescribed(f"say in {__name__} what a {type(field).__name__} takes")
    return described


class Undescribed(TypeError):
    """A field of a kind that is described nowhere."""


_KNOWN = frozenset(
    {
        fields.String,
        Exact,
        fields.Integer,
        WholeNumber,
        fields.Boolean,
        fields.Enum,
        fields.List,
        fields.Raw,
        fields.Function,
    }
)
"""What apispec describes, or whoever names the field: see ``metadata`` there."""


def _of_class(field: AnyField) -> JsonObject:
    match field:
        case TextsField():
            return _texts(field)
        case LineField():
            return _line(field)
        case AddressField():
            return {
                "anyOf": [
                    {"type": "string", "format": "ipv4"},
                    {"type": "string", "format": "ipv6"},
                    {"enum": [None, ""]},
                ]
            }
        case MomentField():
            number: JsonObject = {
                "type": "integer",
                "minimum": LEAST_NUMBER,
                "description": "ms since 1970",
            }
            return {"anyOf": [ISO_TIME, number, {"enum": [None, ""]}]}
        case JsonObjectField():
            nothing: list[JsonValue] = [{"type": "null"}] if field.allow_none else []
            whole: JsonObject = {"$ref": "#/components/schemas/JsonObject"}
            return {"anyOf": [whole, *nothing]} if nothing else whole
    return _of_parameter(field)


def _of_parameter(field: AnyField) -> JsonObject:
    match field:
        case Day():
            return {"type": "string", "format": "date"}
        case Moment():
            seconds: JsonObject = {
                "type": "string",
                "pattern": "^[0-9]{1,11}(\\.[0-9]{1,9})?$",
                "description": "seconds since 1970",
            }
            return {"anyOf": [ISO_TIME, seconds]}
        case Words():
            word = f"[A-Za-z0-9.:-]{{0,{MAX_WORD - 1}}}[A-Za-z0-9]"
            return {
                "type": "string",
                "pattern": f"^{word}( {word}){{0,{MAX_WORDS_ASKED - 1}}}$",
                "description": (
                    f"1 to {MAX_WORDS_ASKED} words of up to {MAX_WORD} characters, all of which"
                    " the event has to have; punctuation around a word is no part of it."
                ),
            }
    return {}


def _line(field: LineField) -> JsonObject:
    is_name = isinstance(field, NameField)
    line: JsonObject = {
        "type": "string" if field.required else ["string", "null"],
        "maxLength": field.longest,
        "pattern": ONE_LINE_TO_ITS_END if is_name else ONE_LINE,
    }
    return {**line, "minLength": 1} if field.required else line


def _texts(field: TextsField) -> JsonObject:
    each: JsonObject = {"type": "string"}
    if field.validate_each is not None:
        each |= BY_VALIDATOR[field.validate_each]
    bounds: JsonObject = {"minItems": field.length.min or 0, "maxItems": field.length.max}
    return {"type": "array", **bounds, "items": each}
