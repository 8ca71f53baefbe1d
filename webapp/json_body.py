"""Strict JSON from a request, checked for what would hurt further on."""

import json
import re

import orjson
from flask import Request

from logger_lib import JsonValue
from webapp.errors import MalformedBody, UnsupportedMedia

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 64
"""How deep arrays and objects may be nested. MongoDB stops at 100, Python's own stack later."""

# orjson reads integers beyond 64 bits as floats, silently rounded. Where a body may hold one, the
# standard parser reads it again so that validation sees the integer that was sent.
_LONG_INTEGER = re.compile(rb"\d{19}")


def read_json(request: Request, *, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return the body of ``request``.

    Raises ``UnsupportedMedia`` (not declared as JSON), ``MalformedBody`` (not JSON in UTF-8,
    ``NaN``, an infinite number, a lone surrogate, nested deeper than ``max_depth``) and, beyond
    ``MAX_BODY_BYTES``, Werkzeug's ``RequestEntityTooLarge``. Of duplicate keys the last wins.
    """
    if not request.is_json:
        raise UnsupportedMedia("send the body as JSON, with 'Content-Type: application/json'")
    return parse_json(request.get_data(), max_depth=max_depth)


def parse_json(raw: bytes, *, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return what ``raw`` says; raises ``MalformedBody`` as ``read_json`` does."""
    try:
        value: JsonValue = orjson.loads(raw)
        if _LONG_INTEGER.search(raw):
            value = json.loads(raw)
    except ValueError as error:
        raise MalformedBody(_describe(error)) from error
    if raw.count(b"[") + raw.count(b"{") > max_depth and _depth_of(value) > max_depth:
        raise MalformedBody(f"arrays and objects may be nested {max_depth} deep")
    return value


def _describe(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return f"not JSON: {error}"


def _depth_of(value: JsonValue) -> int:
    depth, level = 0, [value]
    while containers := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return depth
