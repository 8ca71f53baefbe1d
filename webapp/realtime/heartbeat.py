"""The pings of all connections, from one scheduler."""

import heapq
import itertools
import logging
import random
import time
from typing import Protocol

import eventlet

LONGEST_SLEEP = 0.1


class Beating(Protocol):
    """A connection that is kept alive by pings."""

    def beat(self, now: float) -> float | None:
        """Do what is due and return when to come again; ``None`` once the connection is over."""


class Heartbeat:
    """Calls each connection when its next ping, or the answer to the last one, is due.

    One green thread for all of them. The first ping of a connection is set at random in the second
    half of the interval, so that those that came in one wave are not pinged in one.
    """

    def __init__(self, interval: float, logger: logging.Logger) -> None:
        self._interval = interval
        self._logger = logger
        self._due: list[tuple[float, int, Beating]] = []
        self._numbers = itertools.count()
        self._running = False

    def start(self, connection: Beating) -> None:
        """Keep ``connection`` alive until it is over."""
        first = time.monotonic() + self._interval * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._push(first, connection)
        if not self._running:
            self._running = True
            eventlet.spawn(self._run)

    def _push(self, due: float, connection: Beating) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), connection))

    def _run(self) -> None:
        while self._due:
            wait = self._due[0][0] - time.monotonic()
            # Never longer than this, as one that comes later may be due earlier.
            eventlet.sleep(min(max(wait, 0.0), LONGEST_SLEEP))
            self._beat_all_due(time.monotonic())
        self._running = False

    def _beat_all_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, _, connection = heapq.heappop(self._due)
            try:
                again = connection.beat(now)
            except Exception:
                # One connection must not stop the pings of all others.
                self._logger.exception("a ping")
                again = now + self._interval
            if again is not None:
                self._push(again, connection)
