"""Answers that were given before, in this process and, where there is one, in Redis.

What an answer is kept under names the versions of the hits that it was made from, so it is never
stale: without the cache every answer is the same, and takes longer.
"""

from collections import OrderedDict
from typing import cast

from webapp.prompt_redis import PromptRedis

MAX_ANSWERS = 1_000
MAX_BYTES = 8 * 1_048_576
"""Of all answers; those that were not asked for longest go first."""

MAX_ANSWER = 1_048_576
"""Bytes of one answer; a longer one would take the place of too many."""

KEPT_SECONDS = 600
"""How long Redis keeps an answer, and so at most something of a user who was erased."""

_PREFIX = "herald:analytics:"


class AnswerCache:
    """Keeps answers by name. Where Redis does not answer within 100 ms it is done without."""

    def __init__(self, redis_url: str | None) -> None:
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._redis = PromptRedis(redis_url) if redis_url else None
        self.hits = self.misses = 0

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._redis.failures if self._redis is not None else 0

    def get(self, name: str) -> bytes | None:
        """Return what was kept under ``name``, if it still is."""
        answer = self._answers.get(name)
        if answer is None:
            answer = self._get_shared(name)
            if answer is not None:
                self._keep(name, answer)
        else:
            self._answers.move_to_end(name)
        if answer is None:
            self.misses += 1
        else:
            self.hits += 1
        return answer

    def put(self, name: str, answer: bytes) -> None:
        """Keep ``answer`` under ``name``, unless it is too long."""
        if len(answer) > MAX_ANSWER:
            return
        self._keep(name, answer)
        redis = self._redis
        if redis is not None:
            redis.ask(lambda: redis.client.set(_PREFIX + name, answer, ex=KEPT_SECONDS), None)

    def close(self) -> None:
        """Disconnect."""
        if self._redis is not None:
            self._redis.close()

    def _get_shared(self, name: str) -> bytes | None:
        redis = self._redis
        if redis is None:
            return None
        return redis.ask(lambda: cast("bytes | None", redis.client.get(_PREFIX + name)), None)

    def _keep(self, name: str, answer: bytes) -> None:
        self._bytes += len(answer) - len(self._answers.pop(name, b""))
        self._answers[name] = answer
        while self._bytes > MAX_BYTES or len(self._answers) > MAX_ANSWERS:
            self._bytes -= len(self._answers.popitem(last=False)[1])
