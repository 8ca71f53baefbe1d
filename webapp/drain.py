"""Leaving in order: sockets told to go, requests answered, loggers flushed."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import eventlet

from webapp.errors import Unavailable
from webapp.realtime.server import SocketServer

POLL = 0.02
QUIET = 0.1
"""How long no request must have been open: one that was accepted may not have been read yet."""
LEAST_SECONDS = 0.1
"""What each part may take whose time is over."""

# Of the time that there is, when each part has to be done.
REQUESTS_END = 0.45
FLUSH_END = 0.8
CLOSE_END = 0.88
"""What is left then is for all that ends with the process."""


class Buffer(Protocol):
    """What holds something that was taken and is not kept yet."""

    def flush(self, timeout: float) -> bool:
        """Have what waits written within ``timeout`` seconds; say whether all is kept."""
        ...

    def close(self, timeout: float) -> None:
        """Flush and end within ``timeout`` seconds."""
        ...


class Start(Protocol):
    """What begins when connections are accepted."""

    def __call__(self, *, is_first: bool) -> None:
        """Begin."""
        ...


class Drain:
    """Ends the process's work inside a given time. Clients reconnect; nothing taken is dropped."""

    def __init__(
        self,
        sockets: SocketServer,
        buffers: Sequence[Buffer],
        on_serving: Start,
        on_end: Callable[[float], None],
    ) -> None:
        self._sockets = sockets
        self._buffers = buffers
        self._on_serving = on_serving
        self._on_end = on_end
        self.draining = False

    def check(self) -> None:
        """Return where new work is welcome; raises ``Unavailable`` once the drain has begun."""
        if self.draining:
            raise Unavailable("draining: this process is about to end")

    def sockets_open(self) -> int:
        """Return how many connections of sockets there are."""
        return len(self._sockets.engine.sockets)

    def serving(self, *, is_first: bool) -> None:
        """Take note that the worker accepts connections from now on, as the first or not."""
        self._on_serving(is_first=is_first)

    def run(
        self, *, requests_open: Callable[[], int], seconds: float, beat: Callable[[], None]
    ) -> bool:
        """Drain within ``seconds``; say whether every request was answered and every record kept.

        ``requests_open`` counts the requests being served, sockets included. ``beat`` is called
        all along, so that nobody takes the wait for a hang.
        """
        started = time.monotonic()
        self.draining = True
        self._sockets.close_all()
        answered = _wait_for_quiet(requests_open, started + seconds * REQUESTS_END, beat)
        flushed = self._flush(started + seconds * FLUSH_END)
        self._close(started + seconds * CLOSE_END)
        self._on_end(_left(started + seconds))
        return answered and flushed

    def _flush(self, until: float) -> bool:
        # First all are asked, so that they write at the same time; then each is waited for.
        for buffer in self._buffers:
            buffer.flush(0.0)
        flushed = [buffer.flush(_left(until)) for buffer in self._buffers]
        return all(flushed)

    def _close(self, until: float) -> None:
        # Of the time each has its share: one that hangs must leave the others some.
        for left, buffer in zip(range(len(self._buffers), 0, -1), self._buffers, strict=True):
            buffer.close(_left(until) / left)


def _left(until: float) -> float:
    return max(LEAST_SECONDS, until - time.monotonic())


def _wait_for_quiet(
    requests_open: Callable[[], int], deadline: float, beat: Callable[[], None]
) -> bool:
    quiet_since = None
    while (now := time.monotonic()) < deadline:
        if requests_open():
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= QUIET:
            return True
        beat()
        eventlet.sleep(POLL)
    return False
