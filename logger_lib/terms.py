"""Numbers under which a destination keeps what its records are found by.

A term stands for an app, or for an event's name, a room or a word within one. For each term a
destination keeps the ids of the records that it finds, in their order. A search for several terms
takes the records that all of them find, newest first, and reads no others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from logger_lib.logger import LogQuery
from logger_lib.record import LogRecord
from logger_lib.words import words_of, words_of_name

_APP, _EVENT, _ROOM, _WORD = "a", "e", "r", "w"
_KNOWN_NAMES = 10_000

# NUL is what PostgreSQL's text cannot hold, half a character what no database's can.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def terms_of(record: LogRecord) -> set[int]:
    """Return the terms that find ``record``; a record of deliveries has none."""
    if record.recipients:
        return set()
    app = record.app or ""
    found = set(_terms_of_name(app, record.event))
    found.update(_term(app, _ROOM, room) for room in record.rooms)
    found.update(_term(app, _WORD, word) for word in words_of(record) - words_of_name(record.event))
    return found


def terms_asked(query: LogQuery, app: str) -> list[int]:
    """Return the terms of what ``query`` asks for, in ``app``."""
    asked = [_term(app, _WORD, word) for word in query.words]
    if query.room is not None:
        asked.append(_term(app, _ROOM, query.room))
    if query.event is not None:
        asked.append(_term(app, _EVENT, query.event))
    return list(dict.fromkeys(asked)) or [_term(app, _APP, "")]


def asks_by_terms(query: LogQuery) -> bool:
    """Say whether ``query`` asks for what terms stand for, and not for one event by its id."""
    named = query.app is not None or query.event is not None or query.room is not None
    return query.event_id is None and (named or bool(query.words))


@lru_cache(_KNOWN_NAMES)
def _terms_of_name(app: str, event: str) -> frozenset[int]:
    """Return what all events of one name have in common."""
    words = {_term(app, _WORD, word) for word in words_of_name(event)}
    return frozenset({_term(app, _APP, ""), _term(app, _EVENT, event), *words})


def storable(text: str) -> str:
    """Return ``text`` as every database can hold it: what none can becomes U+FFFD, one for one."""
    return text if text.isprintable() else _UNSTORABLE.sub(_REPLACEMENT, text)


def _term(app: str, kind: str, value: str) -> int:
    # As stored, so that what is made of the stored record, to delete it, is the same.
    named = f"{kind}{storable(app)}\0{storable(value)}".encode()
    return int.from_bytes(blake2b(named, digest_size=8).digest(), "big", signed=True)
