"""What rate limits count in: windows of a fixed length, here or in the Redis that hosts share.

A storage for ``limits``, and so for Flask-Limiter. Their own one in memory has no bound and goes
through all its keys a hundred times a second; their own one in Redis asks three times a call.
"""

import sys
import time
from collections.abc import Callable
from typing import cast

from limits.storage import Storage
from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

MAX_WINDOWS = 20_000
"""About 5 MB. The one that began first goes first."""

ANSWER_SECONDS = 0.1
"""How long Redis may take for a step; a host that waits longer counts for itself."""

REST_SECONDS = 1.0
"""How long Redis is left alone after it did not answer."""

QUIET_SECONDS = 3600.0
"""How long nothing more is said of a Redis that does not answer; ``failures`` counts on."""

MAX_CONNECTIONS = 32

_HIT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[2])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {count, left}
"""


class SharedCounts:
    """Counts in Redis for all hosts. Out of reach, it says so once, and counts its failures."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=None,
        )
        self._redis = Redis.from_pool(pool)
        self._hit = self._redis.register_script(_HIT)
        self._rests_until = 0.0
        self._quiet_until = 0.0
        self.failures = 0

    def hit(self, key: str, seconds: int, amount: int) -> tuple[int, float] | None:
        """Count ``amount``; return the count and the seconds left, ``None`` where nobody knows."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            found = self._hit([f"herald:limit:{key}"], [amount, seconds * 1000])
        except RedisError as error:
            self._failed(error)
            return None
        count, left = cast("list[int]", found)
        return count, left / 1000

    def _failed(self, error: RedisError) -> None:
        now = time.monotonic()
        self.failures += 1
        self._rests_until = now + REST_SECONDS
        if now >= self._quiet_until:
            sys.stderr.write(
                f"Herald: Redis does not answer ({type(error).__name__}): calls go on, and each"
                " host counts its own for the rate limits; this is said once an hour.\n"
            )
            self._quiet_until = now + QUIET_SECONDS

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()


class Windows(Storage):
    """Counts in this process, or what all hosts get where there is a ``redis_url``.

    Times are monotonic seconds. While Redis is out of reach a window goes on from what it last
    said, so that no limit is gone with it.
    """

    STORAGE_SCHEME = ["herald-windows"]  # noqa: RUF012 - as the base class has it

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,
        *,
        redis_url: str | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(uri, wrap_exceptions)
        self.timer = timer
        self._windows: dict[str, tuple[int, float]] = {}
        self._shared = SharedCounts(redis_url) if redis_url else None
        self.evicted = 0
        """Windows that went before their time, as there were too many."""

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What the storage fails with: nothing."""
        return ()

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._shared.failures if self._shared is not None else 0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` in the window of ``key``, which has ``expiry`` seconds; return all."""
        shared = self._shared.hit(key, expiry, amount) if self._shared is not None else None
        now = self.timer()
        if shared is not None:
            count, ends_at = shared[0], now + shared[1]
        else:
            count, ends_at = self._windows.get(key, (0, 0.0))
            if ends_at <= now:
                count, ends_at = 0, now + expiry
            count += amount
        self._keep(key, count, ends_at, now)
        return count

    def _keep(self, key: str, count: int, ends_at: float, now: float) -> None:
        windows = self._windows
        known = windows.get(key)
        if known is not None and known[1] <= now:
            # Begun anew, it is the youngest.
            del windows[key]
        windows[key] = (count, ends_at)
        if len(windows) > MAX_WINDOWS:
            oldest = next(iter(windows))
            if windows.pop(oldest)[1] > now:
                self.evicted += 1

    def get(self, key: str) -> int:
        """Return the count of ``key``, as this process saw it last."""
        count, ends_at = self._windows.get(key, (0, 0.0))
        return count if self.timer() < ends_at else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window of ``key`` ends; now, where there is none."""
        return max(self._windows.get(key, (0, 0.0))[1], self.timer())

    def check(self) -> bool:
        """Say that it can be counted in: it always can."""
        return True

    def reset(self) -> int | None:
        """Forget what this process has counted."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one window of this process."""
        self._windows.pop(key, None)

    def close(self) -> None:
        """Disconnect."""
        if self._shared is not None:
            self._shared.close()
