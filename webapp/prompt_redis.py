"""A Redis that nobody waits for: what it does not say at once, its callers do without."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from webapp import call_budget

Result = TypeVar("Result")

ANSWER_SECONDS = 0.1
"""How long Redis may take for a step, where nothing else is said."""

REST_SECONDS = 1.0
"""How long Redis is left alone after it did not answer."""

QUIET_SECONDS = 3600.0
"""How long nothing more is said of a Redis that does not answer; ``failures`` counts on."""

MAX_CONNECTIONS = 32


class PromptRedis:
    """Asks Redis, and gives up soon; ``meanwhile`` is what stderr is told of that, once an hour.

    It is left alone for ``rest_seconds`` then.
    """

    def __init__(
        self,
        url: str,
        *,
        meanwhile: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=answer_seconds,
            socket_timeout=answer_seconds,
            socket_connect_timeout=answer_seconds,
            retry=None,
        )
        self.client = Redis.from_pool(pool)
        self._answer_seconds = answer_seconds
        self._meanwhile = meanwhile
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0
        self._quiet_until = 0.0
        self.failures = 0
        """How often it was asked and did not answer."""
        self.passed_over = 0
        """How often it was not asked, as the call had waited for as long as it may."""

    def ask(self, call: Callable[[], Result], otherwise: Result) -> Result:
        """Return what ``call``, which uses ``client``, returns; ``otherwise`` without an answer."""
        if time.monotonic() < self._rests_until:
            return otherwise
        try:
            return call()
        except RedisError as error:
            self._failed(error)
            return otherwise

    def ask_in_call(self, call: Callable[[], Result], otherwise: Result) -> Result:
        """As ``ask``, on the budget of the current call: ``otherwise`` where too little is left."""
        if not self.has_time:
            self.passed_over += 1
            return otherwise
        began = time.monotonic()
        try:
            return self.ask(call, otherwise)
        finally:
            call_budget.spend(time.monotonic() - began)

    @property
    def has_time(self) -> bool:
        """Whether the current call may still wait for as long as an answer may take."""
        return call_budget.seconds_left() >= self._answer_seconds

    def close(self) -> None:
        """Disconnect."""
        self.client.close()

    def _failed(self, error: RedisError) -> None:
        now = time.monotonic()
        self.failures += 1
        self._rests_until = now + self._rest_seconds
        if self._meanwhile is not None and now >= self._quiet_until:
            sys.stderr.write(
                f"Herald: Redis does not answer ({type(error).__name__}): {self._meanwhile};"
                " this is said once an hour.\n"
            )
            self._quiet_until = now + QUIET_SECONDS
