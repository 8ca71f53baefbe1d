"""The answers to idempotent calls, kept in Redis for all hosts."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from webapp.errors import CallInProgress
from webapp.events.kept_answers import Kept
from webapp.prompt_redis import PromptRedis

ANSWER_SECONDS = 0.15
"""How long Redis may take; a host that waits longer answers for itself. A call that has waited for
it to count, too, has as much left."""

MOST_BEHIND = 100
"""How many answers are being kept behind their calls; what is more is not kept for other hosts."""

CLAIM_SECONDS = 30
"""How long a host that died while it worked on a call keeps the others from it."""

WAIT_SECONDS = 2.0
POLL_SECONDS = 0.05

_CLAIMED = b"claimed:"
_DIGEST_BYTES = 32

# Whoever took longer than CLAIM_SECONDS finds another host's claim or answer: that one stays.
_KEEP = """
local found = redis.call('GET', KEYS[1])
if not found or found == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a call, until ``CLAIM_SECONDS`` are over; nobody else has ``mark``."""

    name: str
    mark: bytes


class SharedAnswers:
    """Keeps what every host may answer again, for ``seconds``.

    Redis out of reach: each host answers for itself, ``failures`` counts, and calls go on.
    """

    def __init__(self, url: str, seconds: int) -> None:
        self._redis = PromptRedis(url, answer_seconds=ANSWER_SECONDS)
        self._seconds = seconds
        self._behind = 0
        self.left_out = 0
        """How many answers were not kept for other hosts, as too many were being kept."""

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._redis.failures

    @property
    def passed_over(self) -> int:
        """How often Redis was not asked, as the call had waited for as long as it may."""
        return self._redis.passed_over

    def claim(self, owner: str, key: str) -> Kept | Claim:
        """Return what a host has kept under ``key``, else the claim to make the call.

        Raises ``CallInProgress`` where another host is at it and does not end within 2 s.
        """
        claim = Claim(_name(owner, key), _CLAIMED + secrets.token_hex(16).encode())
        deadline = time.monotonic() + WAIT_SECONDS
        if self._redis.ask_in_call(lambda: self._set_new(claim), True):
            return claim
        # From here on the call waits for another one, and Redis is known to answer.
        while True:
            found = self._redis.ask(
                lambda: cast("bytes | None", self._redis.client.get(claim.name)), None
            )
            if found is not None and not found.startswith(_CLAIMED):
                return Kept(found[:_DIGEST_BYTES], found[_DIGEST_BYTES:])
            if time.monotonic() > deadline:
                raise CallInProgress("this call is being answered by another host: send it again")
            time.sleep(POLL_SECONDS)
            if self._redis.ask(lambda: self._set_new(claim), True):
                return claim

    def keep(self, claim: Claim, kept: Kept) -> None:
        """Keep the answer for every host, unless another one has the claim by now.

        A call that has no time left does not wait for it.
        """
        value = kept.body_digest + kept.answer
        self._end(lambda: self._run(_KEEP, claim, value, str(self._seconds).encode()))

    def release(self, claim: Claim) -> None:
        """Give up a claim, if it is still ours: the call was refused, and changed nothing."""
        self._end(lambda: self._run(_RELEASE, claim))

    def _end(self, step: Callable[[], None]) -> None:
        if self._redis.has_time:
            self._redis.ask_in_call(step, None)
        elif self._behind < MOST_BEHIND:
            self._behind += 1
            threading.Thread(target=self._end_behind, args=(step,), daemon=True).start()
        else:
            self.left_out += 1

    def _end_behind(self, step: Callable[[], None]) -> None:
        try:
            self._redis.ask(step, None)
        finally:
            self._behind -= 1

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _set_new(self, claim: Claim) -> bool:
        return bool(self._redis.client.set(claim.name, claim.mark, ex=CLAIM_SECONDS, nx=True))

    def _run(self, script: str, claim: Claim, *arguments: bytes) -> None:
        self._redis.client.eval(script, 1, claim.name, claim.mark, *arguments)


def _name(owner: str, key: str) -> str:
    digest = hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()
    return f"herald:answer:{digest}"
