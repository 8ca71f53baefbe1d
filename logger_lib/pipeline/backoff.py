"""When a destination that failed is asked again."""

import random
import time
from datetime import UTC, datetime

_MOST_DOUBLINGS = 32


class Breaker:
    """Pauses that double from one failure to the next up to the longest, up to half left out.

    After ``threshold`` failures in a row it is open during the pauses: the destination counts as
    down. The first success closes it.
    """

    def __init__(self, threshold: int, first: float, longest: float) -> None:
        self._threshold = threshold
        self._first = first
        self._longest = longest
        self._again_at = 0.0
        self.failures = 0
        self.failing_since: datetime | None = None
        """When the first of the failures in a row was."""

    def failed(self) -> bool:
        """Begin a pause; say whether it is with this failure that the destination is down."""
        doubled = self._first * 2 ** min(self.failures, _MOST_DOUBLINGS)
        # Of many processes not all may come back at the same moment.
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  nothing here is a secret
        self.failures += 1
        self.failing_since = self.failing_since or datetime.now(UTC)
        self._again_at = time.monotonic() + min(doubled, self._longest) * jitter
        return self.failures == self._threshold

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.failing_since = None
        self._again_at = 0.0

    @property
    def pause(self) -> float:
        """How many seconds are left until the destination may be asked."""
        return max(0.0, self._again_at - time.monotonic()) if self.failures else 0.0

    @property
    def given_up(self) -> bool:
        """Whether it has failed often enough to count as down, in a pause or not."""
        return self.failures >= self._threshold

    @property
    def is_open(self) -> bool:
        """Whether the destination is down and is not to be asked yet."""
        return self.given_up and self.pause > 0
