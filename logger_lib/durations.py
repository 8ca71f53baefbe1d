"""How long something took, each time: counts by how long, and their sum."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; what took longer than the last is counted beyond all of them."""


class Durations:
    """A histogram in seconds. To add one costs less than a microsecond."""

    __slots__ = ("_counts", "bounds", "seconds")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self.bounds = bounds
        self.seconds = 0.0
        """All of them together."""
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Yield each bound with how many took no longer; the last is infinity."""
        return zip((*self.bounds, float("inf")), accumulate(self._counts), strict=True)

    def __add__(self, other: Durations) -> Durations:
        """Return both together; they have the same bounds."""
        both = Durations(self.bounds)
        both._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        both.seconds = self.seconds + other.seconds
        return both
