"""The words by which a record is found.

An index of all that an event says would cost more than the log itself. So it is said here, once for
every destination, what counts as a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.record import LogRecord

MAX_WORDS = 32
"""The first words of a record find it; more do not."""
MAX_WORD = 64
"""Characters; what is longer is no word."""
_MAX_VALUES = 1000
"""How many values of a record are looked at."""
_MAX_TEXT = MAX_WORDS * (MAX_WORD + 1)
_KNOWN_NAMES = 10_000
_INTEGERS = range(-(2**63), 2**64)
"""Python refuses to print integers of thousands of digits, and no identifier is one."""

_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_PART = re.compile(r"[^\W_]+")


def words_in(text: str) -> list[str]:
    """Return the words of ``text``: what stands between blanks, in small letters.

    Punctuation around a word is no part of it, punctuation inside is: ``Order #4711 (new).`` has
    the words ``order``, ``4711`` and ``new``; a UUID, or an address, is one word.
    """
    lower = text[:_MAX_TEXT].lower()
    chunks = lower.split() if len(text) <= _MAX_TEXT else lower.split()[:-1]
    return [word for chunk in chunks if (word := _trimmed(chunk))]


@lru_cache(_KNOWN_NAMES)
def words_of_name(event: str) -> frozenset[str]:
    """Return the words of a name and of its parts: ``order.paid``, ``order`` and ``paid``."""
    found: set[str] = set()
    _add(found, words_in(event))
    _add(found, _PART.findall(event.lower()))
    return frozenset(found)


def words_of(record: LogRecord) -> set[str]:
    """Return the words that find ``record``, at most ``MAX_WORDS`` of at most ``MAX_WORD``.

    They are, until there are enough: those of its event's name; those of the strings in its fields,
    and integers under keys that end in ``id``; those of its message. An event's message is made
    from its data and adds none. A record of deliveries has no words.
    """
    if record.recipients:
        return set()
    found = set(words_of_name(record.event))
    for text in _texts_in(record.fields):
        _add(found, words_in(text))
        if len(found) == MAX_WORDS:
            return found
    if record.id != record.event_id:
        _add(found, words_in(record.message))
    return found


def _add(found: set[str], words: list[str]) -> None:
    for word in words:
        if len(found) == MAX_WORDS:
            return
        if len(word) <= MAX_WORD:
            found.add(word)


def _texts_in(fields: JsonObject) -> Iterator[str]:
    """Yield the strings in ``fields``, outer ones first, and the integers that are identifiers."""
    waiting: list[JsonObject | list[JsonValue]] = [fields]
    looked_at = 0
    for container in waiting:
        items = container.items() if isinstance(container, dict) else (("", v) for v in container)
        for key, value in items:
            looked_at += 1
            if looked_at > _MAX_VALUES:
                return
            if isinstance(value, str):
                yield value
            elif isinstance(value, (dict, list)):
                waiting.append(value)
            elif type(value) is int and str(key)[-2:].lower() == "id" and value in _INTEGERS:
                yield str(value)


def _trimmed(chunk: str) -> str:
    return chunk if chunk[0].isalnum() and chunk[-1].isalnum() else _AROUND.sub("", chunk)
