"""The answers to idempotent calls, kept in Redis for all hosts."""

import hashlib
import time
from collections.abc import Callable
from typing import TypeVar, cast

import orjson
from redis import Redis
from redis.exceptions import RedisError

from logger_lib import JsonObject
from webapp.errors import HeraldError

Result = TypeVar("Result")

ANSWER_SECONDS = 0.25
"""How long Redis may take; a host that waits longer answers for itself."""

REST_SECONDS = 1.0
"""How long Redis is left alone after it did not answer."""

CLAIM_SECONDS = 30
"""How long a host that died while it worked on a call keeps the others from it."""

WAIT_SECONDS = 2.0
POLL_SECONDS = 0.05
CLAIMED = b"claimed"


class CallInProgress(HeraldError):
    """Another host is still working on a call with the same ``Idempotency-Key``."""

    status = 409
    code = "call_in_progress"
    retry_after = 2


class SharedAnswers:
    """Keeps what every host may answer again, for ``seconds``.

    Redis out of reach: each host answers for itself, ``failures`` counts, and calls go on.
    """

    def __init__(self, url: str, seconds: int) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=None,
        )
        self._seconds = seconds
        self._rests_until = 0.0
        self.failures = 0

    def claim(self, owner: str, key: str) -> JsonObject | None:
        """Return what a host has kept under ``key``; ``None``: the call is this host's to make.

        Raises ``CallInProgress`` where another host is at it and does not end within 2 s.
        """
        name = _name(owner, key)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            if self._try(
                lambda: bool(self._redis.set(name, CLAIMED, ex=CLAIM_SECONDS, nx=True)), True
            ):
                return None
            kept = self._try(lambda: cast("bytes | None", self._redis.get(name)), None)
            if kept is not None and kept != CLAIMED:
                answer: JsonObject = orjson.loads(kept)
                return answer
            if time.monotonic() > deadline:
                raise CallInProgress("this call is being answered by another host: send it again")
            time.sleep(POLL_SECONDS)

    def keep(self, owner: str, key: str, kept: JsonObject) -> None:
        """Keep ``kept`` for every host."""
        value = orjson.dumps(kept)
        self._try(lambda: self._redis.set(_name(owner, key), value, ex=self._seconds), None)

    def release(self, owner: str, key: str) -> None:
        """Give up a claim: the call was refused, and changed nothing."""
        self._try(lambda: self._redis.delete(_name(owner, key)), None)

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _try(self, call: Callable[[], Result], otherwise: Result) -> Result:
        if time.monotonic() < self._rests_until:
            return otherwise
        try:
            return call()
        except RedisError:
            self.failures += 1
            self._rests_until = time.monotonic() + REST_SECONDS
            return otherwise


def _name(owner: str, key: str) -> str:
    digest = hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()
    return f"herald:answer:{digest}"
