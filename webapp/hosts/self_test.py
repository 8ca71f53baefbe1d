"""Whether this host hears what is said to all: its own heartbeats tell."""

from __future__ import annotations

import time
from collections.abc import Callable

DEAF_SECONDS = 5.0
"""How long a heartbeat that Redis has may take to come back."""


class SelfTest:
    """Follows the heartbeats of this host through the stream. Times are monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._on_its_way: dict[int, float] = {}
        self._tried_at = 0.0
        self._hears_nothing = False
        self.next_beat = 1

    def appended(self, began: float) -> None:
        """Take note that Redis has the next heartbeat, which was sent at ``began``."""
        self._on_its_way[self.next_beat] = began
        self.next_beat += 1

    def came_back(self, beat: int) -> float | None:
        """Return how long a heartbeat took; ``None`` where it was not waited for."""
        began = self._on_its_way.get(beat)
        for earlier in [each for each in self._on_its_way if each <= beat]:
            del self._on_its_way[earlier]
        return None if began is None else self._clock() - began

    def heard(self, *, anything: bool) -> None:
        """Take note of what came, or that nothing did, though it was waited for."""
        self._hears_nothing = not anything

    @property
    def is_deaf(self) -> bool:
        """Whether a heartbeat has not come back in its time, and nothing else comes either."""
        return self._hears_nothing and self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether a heartbeat has not come back in its time; others' entries may be before it."""
        first = next(iter(self._on_its_way.values()), None)
        return first is not None and self._clock() - first > DEAF_SECONDS

    def is_to_reconnect(self) -> bool:
        """Say whether it is time to read by another connection.

        Not where something comes, late as it may be: a new connection would not be quicker.
        """
        now = self._clock()
        if not self.is_deaf or now < self._tried_at + DEAF_SECONDS:
            return False
        self._tried_at = now
        return True
