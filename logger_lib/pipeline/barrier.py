"""Who waits until what was put before has been settled."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple


class _Waiter(NamedTuple):
    goal: int
    turn: threading.Lock


class _Losses(NamedTuple):
    """Losses one soon after the other: where the first was, and when the last."""

    position: int
    at: float


_NO_LOSSES = _Losses(0, float("-inf"))


class Barrier:
    """Counts items in and, in the same order, settled, and wakes exactly those who wait for that.

    All but ``wait`` is called under the lock of its owner. An item is settled when it is kept, and
    also when it is lost: then every wait that covers it, and begins within ``loss_seconds`` after
    it, says so.
    """

    def __init__(self, loss_seconds: float) -> None:
        self.accepted = 0
        self.settled = 0
        self._loss_seconds = loss_seconds
        self._losses = _NO_LOSSES
        self._waiters: deque[_Waiter] = deque()

    def settle(self, items: int, *, lost: bool = False) -> None:
        """Take note that the oldest ``items`` are kept, or are not all kept if ``lost``."""
        if lost:
            self.lose(self.settled + 1)
        self.settled += items
        waiters = self._waiters
        while waiters and waiters[0].goal <= self.settled:
            waiters.popleft().turn.release()

    def lose(self, position: int) -> None:
        """Take note of a loss at ``position`` in the order of what was accepted."""
        now = time.monotonic()
        last = self._losses
        recent = now - last.at <= self._loss_seconds
        self._losses = _Losses(min(position, last.position) if recent else position, now)

    def join(self, goal: int) -> threading.Lock | None:
        """Return what to wait for until ``goal`` items are settled; None where they are."""
        if self.settled >= goal:
            return None
        turn = threading.Lock()
        turn.acquire()
        waiters = self._waiters
        place = len(waiters)
        # Goals hardly ever fall; where one does, those in front of it must not hold it up.
        while place and waiters[place - 1].goal > goal:
            place -= 1
        waiters.insert(place, _Waiter(goal, turn))
        return turn

    def leave(self, goal: int, turn: threading.Lock) -> bool:
        """Wait no longer; say whether the goal was reached in the meantime."""
        if self.settled >= goal:
            return True
        self._waiters.remove(_Waiter(goal, turn))
        return False

    def lost_any(self, goal: int, since: float) -> bool:
        """Say whether any of the first ``goal`` items may have been lost after ``since``."""
        return self._losses.position <= goal and self._losses.at >= since - self._loss_seconds
