"""Strict JSON from a request, checked for what would hurt further on."""

import json
import re
import time
from itertools import accumulate

import orjson
from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from logger_lib import JsonValue
from webapp.errors import MalformedBody, UnsupportedMedia, ValidationFailed

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 64
"""How deep arrays and objects may be nested. MongoDB stops at 100, Python's own stack later."""

LARGE_BYTES = 65_536
"""From here on others have a turn between two steps: each of them takes 15 to 40 ms for a MiB of
values that are as small as can be."""

# A search for nineteen digits by a regular expression takes ten times as long as this.
_ALL_NINES = bytes.maketrans(b"0123456789", b"9999999999")
_NINETEEN_DIGITS = b"9" * 19
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""What a bracket changes of the depth, as a signed byte."""

_NO_MARKS = bytes(set(range(256)) - set(b'[{]}"'))
_TOO_LONG_INTEGER = re.compile(r"-?\d{300,}(?![\d.eE])")


def read_json(request: Request, *, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return the body of ``request``.

    Raises ``UnsupportedMedia`` (not declared as JSON), ``MalformedBody`` (not JSON in UTF-8,
    ``NaN``, an infinite number, a lone surrogate, nested deeper than ``max_depth``),
    ``ValidationFailed`` (an integer of hundreds of digits) and, beyond ``MAX_BODY_BYTES``,
    Werkzeug's ``RequestEntityTooLarge``. Of duplicate keys the last wins.
    """
    return parse_json(read_raw(request), max_depth=max_depth)


def read_raw(request: Request, *also: str) -> bytes:
    """Return the body of ``request`` as it is, which is declared as JSON or one of ``also``.

    Raises ``UnsupportedMedia`` and ``RequestEntityTooLarge`` as above.
    """
    # What nearly everyone sends, first: to take a media type apart costs more than all else here.
    if request.environ.get("CONTENT_TYPE") != "application/json" and not (
        request.is_json or request.mimetype in also
    ):
        raise UnsupportedMedia("send the body as JSON, with 'Content-Type: application/json'")
    raw = request.get_data()
    if len(raw) == MAX_BODY_BYTES and request.content_length is None and _goes_on(request):
        raise RequestEntityTooLarge
    return raw


def _goes_on(request: Request) -> bool:
    # Of a body without a length (chunked) Werkzeug silently returns the beginning.
    return bool(request.environ["wsgi.input"].read(1))


def parse_json(raw: bytes, *, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return what ``raw`` says; raises ``MalformedBody`` and ``ValidationFailed`` as above."""
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if _TOO_LONG_INTEGER.match(error.doc, error.pos):
            raise ValidationFailed(
                f"the integer at line {error.lineno}, column {error.colno} does not fit into"
                " 64 bits: send it as a string"
            ) from error
        raise MalformedBody(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    _give_turn(raw)
    # Before the standard parser, which would reach the end of Python's stack.
    if raw.count(b"[") + raw.count(b"{") > max_depth and _depth_of(raw) > max_depth:
        raise MalformedBody(f"arrays and objects may be nested {max_depth} deep")
    if _NINETEEN_DIGITS in raw.translate(_ALL_NINES):
        # orjson reads integers beyond 64 bits as floats, silently rounded: validation is to see the
        # integer that was sent.
        _give_turn(raw)
        value = json.loads(raw)
    return value


def _give_turn(raw: bytes) -> None:
    if len(raw) > LARGE_BYTES:
        time.sleep(0)


def _depth_of(raw: bytes) -> int:
    """Return how deep arrays and objects are nested in ``raw``, which is JSON.

    Of the text and not of the values: going through a million of them takes several times as long.
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A text without brackets is now two quotation marks in a row; hardly any text has some.
    marks = raw.translate(None, _NO_MARKS).replace(b'""', b"")
    outside_texts = b"".join(marks.split(b'"')[::2])
    steps = outside_texts.translate(_STEPS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)
