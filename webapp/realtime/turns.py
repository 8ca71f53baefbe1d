"""How long one kind of work may keep the event loop from all others."""

from __future__ import annotations

from collections import deque

import eventlet
from eventlet import hubs
from eventlet.greenthread import GreenThread


class Turns:
    """Lets green threads spend ``budget`` together, between two looks of the loop at its sockets.

    Where that is not enough they wait, and go on in the order in which they came. What the budget
    is counted in is theirs to say.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._spent = 0.0
        self._waiting: deque[GreenThread[None]] = deque()
        self._is_scheduled = False

    @property
    def are_free(self) -> bool:
        """Whether nobody waits, and not all is spent."""
        return not self._waiting and self._spent < self._budget

    def wait(self) -> None:
        """Return when it is the turn of the caller, behind all who came before it."""
        if not self.are_free:
            self._waiting.append(eventlet.getcurrent())
            self._until_woken()

    def go_on(self) -> None:
        """Return when the caller, whose turn it is, may spend more."""
        if self._spent >= self._budget:
            self._waiting.appendleft(eventlet.getcurrent())
            self._until_woken()

    def spend(self, amount: float) -> None:
        """Count what the caller has spent."""
        self._spent += amount
        # Not each time: most amounts are small, and this would cost more than they did.
        if self._spent * 2 >= self._budget:
            self._schedule()

    def _until_woken(self) -> None:
        self._schedule()
        try:
            hubs.get_hub().switch()
        except BaseException:
            me = eventlet.getcurrent()
            if me in self._waiting:
                self._waiting.remove(me)
            raise

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            hubs.get_hub().schedule_call_global(0, self._turn)

    def _turn(self) -> None:
        # Called by the loop between two looks. What was spent since the first of them counts too,
        # or who has just spent all of it could go on at once from here.
        self._is_scheduled = False
        try:
            while self._waiting and self._spent < self._budget:
                self._waiting.popleft().switch()
        finally:
            self._spent = 0.0
            if self._waiting:
                self._schedule()
