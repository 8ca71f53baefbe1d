"""What rate limits count in: windows of a fixed length, here or in the Redis that hosts share.

A storage for ``limits``, and so for Flask-Limiter. Their own one in memory has no bound and goes
through all its keys a hundred times a second; their own one in Redis asks three times a call.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeAlias, cast

from limits.storage import Storage

from webapp.prompt_redis import PromptRedis

MAX_WINDOWS = 20_000
"""Of each kind of limit, so that a flood that one counts takes nothing from another: about 5 MB.
The one that began first goes first."""

_Window: TypeAlias = tuple[int, float]
"""What was counted, and when it ends."""

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
    """Counts in Redis for all hosts."""

    def __init__(self, url: str) -> None:
        self._redis = PromptRedis(
            url, meanwhile="calls go on, and each host counts its own for the rate limits"
        )
        self._hit = self._redis.client.register_script(_HIT)

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._redis.failures

    @property
    def passed_over(self) -> int:
        """How often Redis was not asked, as the call had waited for as long as it may."""
        return self._redis.passed_over

    def hit(self, key: str, seconds: int, amount: int) -> tuple[int, float] | None:
        """Count ``amount``; return the count and the seconds left, ``None`` where nobody knows."""
        keys, arguments = [f"herald:limit:{key}"], [amount, seconds * 1000]
        found = self._redis.ask_in_call(
            lambda: cast("list[int] | None", self._hit(keys, arguments)), None
        )
        return None if found is None else (found[0], found[1] / 1000)

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
        self._kinds: defaultdict[str, dict[str, _Window]] = defaultdict(dict)
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

    @property
    def passed_over(self) -> int:
        """How often Redis was not asked, as the call had waited for as long as it may."""
        return self._shared.passed_over if self._shared is not None else 0

    @property
    def held(self) -> int:
        """How many windows are in memory; some may be over."""
        return sum(map(len, self._kinds.values()))

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` in the window of ``key``, which has ``expiry`` seconds; return all."""
        shared = self._shared.hit(key, expiry, amount) if self._shared is not None else None
        now, windows = self.timer(), self._of_kind(key)
        if shared is not None:
            count, ends_at = shared[0], now + shared[1]
        else:
            count, ends_at = windows.get(key, (0, 0.0))
            if ends_at <= now:
                count, ends_at = 0, now + expiry
            count += amount
        self._keep(windows, key, (count, ends_at), now)
        return count

    def _of_kind(self, key: str) -> dict[str, _Window]:
        # What ``limits`` puts at the end of a key: the scope, and the rate in three parts. Whom it
        # is about, before that, may have strokes of their own.
        return self._kinds[key.rsplit("/", 4)[-4:][0]]

    def _keep(self, windows: dict[str, _Window], key: str, window: _Window, now: float) -> None:
        known = windows.get(key)
        if known is not None and known[1] <= now:
            # Begun anew, it is the youngest.
            del windows[key]
        windows[key] = window
        if len(windows) > MAX_WINDOWS:
            oldest = next(iter(windows))
            if windows.pop(oldest)[1] > now:
                self.evicted += 1

    def get(self, key: str) -> int:
        """Return the count of ``key``, as this process saw it last."""
        count, ends_at = self._of_kind(key).get(key, (0, 0.0))
        return count if self.timer() < ends_at else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window of ``key`` ends; now, where there is none."""
        return max(self._of_kind(key).get(key, (0, 0.0))[1], self.timer())

    def check(self) -> bool:
        """Say that it can be counted in: it always can."""
        return True

    def reset(self) -> int | None:
        """Forget what this process has counted."""
        count = sum(map(len, self._kinds.values()))
        self._kinds.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one window of this process."""
        self._of_kind(key).pop(key, None)

    def close(self) -> None:
        """Disconnect."""
        if self._shared is not None:
            self._shared.close()
