"""The end of the sockets whose room token is over."""

import time
from collections.abc import Callable
from typing import Protocol

from logger_lib import Logger
from webapp.realtime.watch import Watch

LOOK_SECONDS = 0.25
"""How often it is looked whose token is over; a socket is ended within a second of that."""


class Expiries:
    """Sockets by the second in which each one's token ends: one entry a socket, no timers."""

    def __init__(self) -> None:
        self._by_second: dict[int, dict[str, None]] = {}

    def add(self, sid: str, second: int) -> None:
        """Take note that the token of ``sid`` ends at ``second``, Unix time."""
        self._by_second.setdefault(second, {})[sid] = None

    def remove(self, sid: str, second: int) -> None:
        """Forget ``sid``, which was added with ``second``."""
        sids = self._by_second[second]
        del sids[sid]
        if not sids:
            del self._by_second[second]

    def due(self, now: float) -> list[str]:
        """Return the sockets whose tokens are over; they are due until they are removed."""
        over = [second for second in self._by_second if second <= now]
        return [sid for second in sorted(over) for sid in self._by_second[second]]


class TokenSockets(Protocol):
    """The open sockets, of which some were let in with a room token."""

    def part_with_expired(self, now: float) -> None:
        """End the sockets whose token is over at ``now``, Unix time."""


class ExpiryWatch(Watch):
    """Looks for all sockets at once whose token is over."""

    def __init__(
        self,
        sockets: TokenSockets,
        logger: Logger,
        *,
        seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("looking for expired tokens", logger, seconds)
        self._sockets = sockets
        self._clock = clock

    def look(self) -> None:
        """End the sockets whose token is over."""
        self._sockets.part_with_expired(self._clock())
