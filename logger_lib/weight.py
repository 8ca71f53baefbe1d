"""How much memory a record's data takes: what a buffer in front of a destination is bounded by.

It is reckoned from the JSON of the data, which orjson writes in a tenth of the time that Python
takes to look at each value. For what has come as JSON it is no less than is held. It is more where
Python has the values once for all: five times as much for small numbers, 16 times for empty texts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import orjson

from logger_lib.json_value import JsonObject, JsonValue

_BASE = 64
"""An object without members, or the first value, before which there is no comma."""

# What there is in memory for each mark in the text, beside the characters.
_COMMA = 41
"""A number, and its place in a list."""
_COLON = 69
"""A key, and the place of a value beside that."""
_QUOTES, _WIDE_QUOTES = 32, 56
"""A string, less the number that its comma stands for; one whose characters are not all ASCII."""
_OBJECT, _EMPTY_OBJECT = 115, 32
_LIST, _EMPTY_LIST = 64, 24

_SHORT = 2_000
"""Up to here any mark counts as a comma, and an object as what it has beside its two: no mark and
no pair is dearer. It is too much by some hundred bytes, and costs a third."""
_OBJECT_BESIDE_MARKS = _OBJECT - 2 * _COMMA
_NO_MARKS = bytes(set(range(256)) - set(b'{}[],:"'))
_NO_BEGINNINGS = bytes(set(_NO_MARKS) - set(b"-0123456789tfn"))
"""What is neither a mark nor begins a value: without it brackets around a value are not empty."""

_WALK_ENDS = 64 * 1024 * 1024
"""No more is counted where values are looked at one by one: no buffer takes it, and the data may
contain itself."""

_FEW = 16
"""So many values without any inside are not looked at before they are written."""
_CONTAINERS = frozenset({dict, list})
_HAVE_LENGTH = frozenset({dict, list, str})


def memory_of(data: JsonObject) -> int:
    """Return about how many bytes of memory ``data`` takes."""
    if not data:
        return _BASE
    # What holds the same value again and again would be written again and again.
    is_flat = len(data) <= _FEW and _CONTAINERS.isdisjoint(map(type, data.values()))
    if not is_flat and _is_beyond(data):
        return _WALK_ENDS + 1
    try:
        text = orjson.dumps(data)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, halves of characters, more than 254 levels: no event has them.
        return _walked(data)
    if len(text) > _SHORT or not text.isascii():
        return _closely(text)
    marks = len(text.translate(None, _NO_MARKS))
    return _BASE + len(text) + marks * _COMMA + text.count(b"{") * _OBJECT_BESIDE_MARKS


def _is_beyond(data: JsonObject) -> bool:
    """Say whether ``data`` weighs more than is counted, without writing it out."""
    left = _WALK_ENDS
    waiting: list[JsonObject | list[JsonValue]] = [data]
    for container in waiting:
        values = container.values() if type(container) is dict else container
        left -= _LIST + len(container) * _COMMA
        if left < 0:
            return True
        if len(container) > _FEW and _HAVE_LENGTH.isdisjoint(map(type, values)):
            continue
        for value in values:
            # By their types, and not isinstance, which takes twice as long.
            if type(value) is str:
                left -= len(value)
            elif type(value) is dict or type(value) is list:
                waiting.append(value)
    return left < 0


def _closely(text: bytes) -> int:
    characters, quotes = len(text), _QUOTES
    if not text.isascii():
        # Characters take as much as the widest of their string, and once more as UTF-8, which stays
        # with each string from when orjson has written it.
        characters, quotes = sys.getsizeof(text.decode()) + len(text), _WIDE_QUOTES
    count = text.translate(None, _NO_BEGINNINGS).count
    empty_objects, empty_lists = count(b"{}"), count(b"[]")
    # Marks within a string are counted too, and only add to the sum.
    return (
        _BASE
        + characters
        + count(b",") * _COMMA
        + count(b":") * _COLON
        + count(b'"') * quotes // 2
        + (count(b"{") - empty_objects) * _OBJECT
        + empty_objects * _EMPTY_OBJECT
        + (count(b"[") - empty_lists) * _LIST
        + empty_lists * _EMPTY_LIST
    )


def _walked(data: JsonObject) -> int:
    total = 0
    waiting: list[JsonObject | list[JsonValue]] = [data]
    while waiting and total <= _WALK_ENDS:
        values: Iterable[JsonValue]
        values = container = waiting.pop()
        total += sys.getsizeof(container)
        if isinstance(container, dict):
            total += sum(map(sys.getsizeof, container))
            values = container.values()
        for value in values:
            if isinstance(value, (dict, list)):
                waiting.append(value)
            else:
                total += sys.getsizeof(value)
    return total
