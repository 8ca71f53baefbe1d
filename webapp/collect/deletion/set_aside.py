"""Hits that could not be stored and were set aside: a user's go with all that there is of them."""

import json
from collections.abc import Collection
from dataclasses import dataclass

import orjson
from redis.exceptions import RedisError

from logger_lib import JsonValue
from logger_lib.pipeline.dead_letters import DeadLetters
from webapp.collect.deletion.erasure import Erased
from webapp.collect.stream.hit_stream import HIT, HitStream
from webapp.errors import Unavailable

ERASED_AT_ONCE = 1_000
"""How many a call takes out of Redis; the next one goes on."""

PAGE = 20
"""Read at once: with the largest of hits, 10 MB."""

_START = b"-"


class HitsSetAside:
    """The dead letters of hits: this host's file, and where there is Redis those of the workers."""

    def __init__(
        self, file: DeadLetters, stream: HitStream | None, at_once: int = ERASED_AT_ONCE
    ) -> None:
        self._file = file
        self._stream = stream
        self._at_once = at_once

    def erase(self, apps: Collection[str], user_id: str) -> Erased:
        """Delete those of a user of ``apps``; raises ``Unavailable`` where they cannot be read."""
        sought = _Sought(frozenset(apps), user_id.rstrip(" "))
        try:
            in_file = self._file.remove(sought.is_in_letter)
            found = self._erase_in_redis(self._stream, sought) if self._stream else None
        except (OSError, RedisError) as error:
            raise Unavailable(
                "The hits that were set aside cannot be searched just now. Try again in a moment."
            ) from error
        return Erased(in_file, is_complete=True) if found is None else found.and_also(in_file)

    def _erase_in_redis(self, stream: HitStream, sought: "_Sought") -> Erased:
        """Look at all, of which there are no more than the stream may have."""
        erased, after = 0, _START
        while entries := stream.dead_after(after, PAGE):
            meant = [id for id, fields in entries if sought.is_in(fields.get(HIT, b""))]
            stream.forget_dead(meant)
            erased += len(meant)
            if erased >= self._at_once:
                return Erased(erased, is_complete=False)
            after = b"(" + entries[-1][0]
        return Erased(erased, is_complete=True)


@dataclass(frozen=True, slots=True)
class _Sought:
    """A user of some apps."""

    apps: frozenset[str]
    user_id: str

    def is_in_letter(self, text: str) -> bool:
        """Say whether a line of the file, or what is left of one, is about the user."""
        letter = _parsed(text)
        record = letter.get("record") if isinstance(letter, dict) else None
        if isinstance(record, dict):
            return self._is_of(record)
        return self.is_in((record if isinstance(record, str) else text).encode(errors="replace"))

    def is_in(self, written: bytes) -> bool:
        """Say whether ``written``, a hit as JSON or what was taken for one, is about the user."""
        text = written.decode(errors="replace")
        hit = _parsed(text)
        return self._is_of(hit) if isinstance(hit, dict) else self._is_named_in(text)

    def _is_of(self, hit: dict[str, JsonValue]) -> bool:
        app_id, user_id = hit.get("app_id"), hit.get("user_id")
        return (
            isinstance(app_id, str)
            and app_id in self.apps
            and isinstance(user_id, str)
            and user_id.rstrip(" ") == self.user_id
        )

    def _is_named_in(self, text: str) -> bool:
        # Rather one letter too many of the owner's than one too few: nobody can read it as a hit.
        user = self.user_id
        names = (json.dumps(user), json.dumps(user, ensure_ascii=False), repr(user))
        return any(app_id in text for app_id in self.apps) and any(name in text for name in names)


def _parsed(text: str) -> JsonValue:
    """Return what ``text`` says; None where it is no JSON."""
    try:
        parsed: JsonValue = orjson.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed
