"""How late the event loop is: what a green thread waits beyond the time that it asked for."""

import time
from collections import deque

from logger_lib import Durations, JsonObject

EVERY_SECONDS = 0.5
WINDOW_SECONDS = 60.0


class LoopLag:
    """Looks twice a second. What blocks the loop makes everybody wait, this look too."""

    def __init__(self) -> None:
        self.last = 0.0
        """Seconds by which the last look came late."""
        self.all = Durations()
        self._looks: deque[tuple[float, float]] = deque()

    def run(self) -> None:
        """Look for ever."""
        while True:
            due = time.monotonic() + EVERY_SECONDS
            time.sleep(EVERY_SECONDS)
            now = time.monotonic()
            self.note(now, max(0.0, now - due))

    def note(self, now: float, late: float) -> None:
        """Take note of a look at ``now``, monotonic seconds, that came so late."""
        self.last = late
        self.all.observe(late)
        self._looks.append((now, late))
        while self._looks[0][0] < now - WINDOW_SECONDS:
            self._looks.popleft()

    @property
    def longest(self) -> float:
        """The most of the last minute, in seconds."""
        return max((late for _, late in self._looks), default=0.0)

    def seen(self) -> JsonObject:
        """Return it for who asks whether Herald is well."""
        return {"lagSeconds": round(self.last, 4), "longestSeconds": round(self.longest, 4)}
