"""The schemas that calls are loaded with, as JSON Schema."""

from collections.abc import Sequence
from functools import cache
from typing import cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from logger_lib import JsonObject, JsonValue
from webapp.api_docs.field_limits import limits_of

OPENAPI_VERSION = "3.1.0"


def json_schema_of(schema: type[Schema]) -> JsonObject:
    """Return what a body, or a message, has to be that is loaded with ``schema``."""
    made = _converter().schema2jsonschema(schema())  # type: ignore[no-untyped-call]  # apispec's
    return cast("JsonObject", made)


def parameters_of(schema: type[Schema]) -> Sequence[JsonObject]:
    """Return the parameters of a query string that is loaded with ``schema``."""
    made = _converter().schema2parameters(schema(), location="query")
    return [_without_null(cast("JsonObject", parameter)) for parameter in made]


@cache
def _converter() -> OpenAPIConverter:
    plugin = MarshmallowPlugin()
    APISpec("Herald", "1", OPENAPI_VERSION, plugins=[plugin])
    converter = plugin.converter
    if converter is None:
        raise RuntimeError("apispec gives a plugin its converter when a document is begun")
    converter.add_attribute_function(_described)  # type: ignore[no-untyped-call]  # apispec's
    return converter


def _described(
    converter: OpenAPIConverter,  # noqa: ARG001  apispec binds it as a method
    field: fields.Field[JsonValue],
    ret: JsonObject,
) -> JsonObject:
    if ret.get("default", "") is None:
        # "Absent" is no value that could be sent.
        del ret["default"]
    # Which fields come back an answer's own schema says.
    ret.pop("writeOnly", None)
    return limits_of(field)


def _without_null(parameter: JsonObject) -> JsonObject:
    """Return a parameter of a query string, which cannot be null: it is there, or it is not."""
    schema = parameter["schema"]
    if isinstance(schema, dict) and isinstance(kinds := schema.get("type"), list):
        only = [kind for kind in kinds if kind != "null"]
        return {**parameter, "schema": {**schema, "type": only[0]}}
    return parameter
