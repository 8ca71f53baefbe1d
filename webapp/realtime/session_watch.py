"""Keeps the sessions of connected sockets where they outlive this process."""

from collections.abc import Callable

from logger_lib import Logger
from webapp.realtime.watch import Watch

LOOKS_A_LIFE = 3
"""How often a session is held anew in the time that its client may be away."""


class SessionWatch(Watch):
    """Has all sessions held anew in time, so that they are there when this host dies."""

    def __init__(self, hold_all: Callable[[], None], logger: Logger, seconds: float) -> None:
        """``seconds`` is how long a client may be away."""
        super().__init__("holding sessions", logger, seconds / LOOKS_A_LIFE)
        self._hold_all = hold_all

    def look(self) -> None:
        """Hold all of them."""
        self._hold_all()
