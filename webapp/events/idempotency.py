"""The first answer again: a publisher that repeats a call publishes once."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from logger_lib import JsonObject
from webapp.errors import HeraldError, ValidationFailed
from webapp.events.shared_answers import SharedAnswers

KEPT_SECONDS = 300
"""How long an answer can be had again (as in Centrifugo)."""

MAX_KEPT = 10_000
"""Answers kept; beyond it the oldest is forgotten first."""

MAX_KEY = 200
LOCKS = 64


class IdempotencyKeyReused(HeraldError):
    """An ``Idempotency-Key`` came back with another body than the first one."""

    status = 422
    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class _Kept:
    body_digest: bytes
    answer: JsonObject


class IdempotentAnswers:
    """Keeps the answers to calls that carried an ``Idempotency-Key``, here and in ``shared``.

    Refused calls are not kept: they changed nothing, and may be corrected under the same key.
    """

    def __init__(
        self,
        shared: SharedAnswers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._kept: TTLCache[tuple[str, str], _Kept] = TTLCache(MAX_KEPT, KEPT_SECONDS, clock)
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self.replayed = 0

    def answer(
        self, owner: str, key: str | None, body: bytes, make: Callable[[], JsonObject]
    ) -> JsonObject:
        """Return the answer kept for ``key`` of ``owner``, else that of ``make``, which is kept.

        Two calls with one key at the same time: the second waits for the first one's answer.
        """
        if key is None:
            return make()
        if not 0 < len(key) <= MAX_KEY:
            raise ValidationFailed(
                f"an Idempotency-Key has 1 to {MAX_KEY} characters",
                {"Idempotency-Key": [f"Must have 1 to {MAX_KEY} characters."]},
            )
        name = (owner, key)
        digest = hashlib.sha256(body).digest()
        with self._locks[hash(name) % LOCKS]:
            kept = self._kept.get(name) or self._kept_elsewhere(name)
            if kept is None:
                return self._first_answer(name, digest, make)
        if kept.body_digest != digest:
            raise IdempotencyKeyReused("this Idempotency-Key came with another body: use a new one")
        self.replayed += 1
        return kept.answer

    def _kept_elsewhere(self, name: tuple[str, str]) -> _Kept | None:
        found = self._shared.claim(*name) if self._shared else None
        if found is None:
            return None
        digest, answer = found["digest"], found["answer"]
        if not isinstance(digest, str) or not isinstance(answer, dict):
            raise TypeError(f"what Redis keeps under an Idempotency-Key is no answer: {found}")
        return _Kept(bytes.fromhex(digest), answer)

    def _first_answer(
        self, name: tuple[str, str], digest: bytes, make: Callable[[], JsonObject]
    ) -> JsonObject:
        try:
            answer = make()
        except BaseException:
            if self._shared:
                self._shared.release(*name)
            raise
        self._kept[name] = _Kept(digest, answer)
        if self._shared:
            self._shared.keep(*name, {"digest": digest.hex(), "answer": answer})
        return answer
