"""The first answer again: a publisher that repeats a call publishes once."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import orjson

from logger_lib import JsonObject
from webapp.errors import IdempotencyKeyReused, RecordLost, ValidationFailed
from webapp.events.kept_answers import Confirm, Kept, KeptAnswers
from webapp.events.shared_answers import Claim, SharedAnswers

Made: TypeAlias = tuple[JsonObject, Confirm]
"""The answer to a call that was made, and what has to return before it may be given."""

KEPT_SECONDS = 300
"""How long an answer can be had again (as in Centrifugo)."""

MAX_BYTES = 16 * 1_048_576
"""What all kept answers may take; beyond it whoever holds most forgets its oldest one."""

MAX_KEY = 200


class IdempotentAnswers:
    """Keeps the answers to calls that carried an ``Idempotency-Key``, here and in ``shared``.

    Refused calls are not kept: they changed nothing, and may be corrected under the same key.
    """

    def __init__(
        self,
        shared: SharedAnswers | None = None,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._kept = KeptAnswers(max_bytes, KEPT_SECONDS, clock)
        self._under_way: dict[tuple[str, str], threading.Event] = {}
        self.replayed = 0

    @property
    def size(self) -> int:
        """About how many bytes the answers take that are kept here."""
        return self._kept.size

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._shared.failures if self._shared else 0

    @property
    def passed_over(self) -> int:
        """How often Redis was not asked, as the call had waited for as long as it may."""
        return self._shared.passed_over if self._shared else 0

    @property
    def left_out(self) -> int:
        """How many answers were not kept for other hosts, as too many were being kept."""
        return self._shared.left_out if self._shared else 0

    @property
    def evicted(self) -> int:
        """How many answers were forgotten before their time, for want of room."""
        return self._kept.evicted

    def answer(
        self, owner: str, key: str | None, body: bytes, make: Callable[[], Made]
    ) -> JsonObject:
        """Return the answer kept for ``key`` of ``owner``, else that of ``make``, which is kept.

        Two calls with one key at the same time: the second waits for the first one's answer. One
        that could not be confirmed is kept too: to repeat the call is to ask for that again.
        """
        if key is None:
            answer, confirm = make()
            confirm()
            return answer
        if not 0 < len(key) <= MAX_KEY:
            raise ValidationFailed(
                f"an Idempotency-Key has 1 to {MAX_KEY} characters",
                {"Idempotency-Key": [f"Must have 1 to {MAX_KEY} characters."]},
            )
        digest = hashlib.sha256(body).digest()
        kept = self._kept_or_begun(owner, key)
        if kept is None:
            try:
                return self._first_answer(owner, key, digest, make)
            finally:
                self._ended(owner, key)
        return self._again(owner, key, kept, digest)

    def close(self) -> None:
        """Disconnect from what the hosts share."""
        if self._shared is not None:
            self._shared.close()

    def _kept_or_begun(self, owner: str, key: str) -> Kept | None:
        """Return what is kept; None: the call is this one's to make, and others wait for it."""
        while True:
            with self._lock:
                kept = self._kept.get(owner, key)
                other = self._under_way.get((owner, key))
                if kept is None and other is None:
                    self._under_way[owner, key] = threading.Event()
            if kept is not None or other is None:
                return kept
            other.wait()

    def _ended(self, owner: str, key: str) -> None:
        with self._lock:
            ended = self._under_way.pop((owner, key))
        ended.set()

    def _first_answer(
        self, owner: str, key: str, digest: bytes, make: Callable[[], Made]
    ) -> JsonObject:
        claim = self._shared.claim(owner, key) if self._shared else None
        if isinstance(claim, Kept):
            return self._again(owner, key, claim, digest)
        try:
            answer, confirm = make()
        except BaseException:
            self._release(claim)
            raise
        kept = Kept(digest, orjson.dumps(answer))
        self._confirm(owner, key, kept, self._shared_when(confirm, kept, claim))
        return answer

    def _shared_when(self, confirm: Confirm, kept: Kept, claim: Claim | None) -> Confirm:
        def confirm_and_share() -> None:
            try:
                confirm()
            except RecordLost:
                self._release(claim)
                raise
            if self._shared and claim:
                self._shared.keep(claim, kept)

        return confirm_and_share

    def _confirm(self, owner: str, key: str, kept: Kept, confirm: Confirm) -> None:
        """Keep the answer, with ``confirm`` for the next time where it is not as it should be."""
        try:
            confirm()
        except RecordLost:
            # To repeat this call is to publish again.
            with self._lock:
                self._kept.forget(owner, key)
            raise
        except BaseException:
            self._keep(owner, key, replace(kept, confirm=confirm))
            raise
        self._keep(owner, key, replace(kept, confirm=None))

    def _keep(self, owner: str, key: str, kept: Kept) -> None:
        with self._lock:
            self._kept.keep(owner, key, kept)

    def _release(self, claim: Claim | None) -> None:
        if self._shared and claim:
            self._shared.release(claim)

    def _again(self, owner: str, key: str, kept: Kept, digest: bytes) -> JsonObject:
        if kept.body_digest != digest:
            raise IdempotencyKeyReused("this Idempotency-Key came with another body: use a new one")
        if kept.confirm is not None:
            self._confirm(owner, key, kept, kept.confirm)
        self.replayed += 1
        answer: JsonObject = orjson.loads(kept.answer)
        return answer
