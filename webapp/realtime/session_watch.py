"""Keeps the sessions of connected sockets where they outlive this process."""

from collections.abc import Callable

from logger_lib import Logger
from webapp.realtime.watch import Watch

LOOKS_A_LIFE = 3
"""How often a session is kept anew in the time for which it is kept."""


class SessionWatch(Watch):
    """Keeps all sessions anew in time, so that they are there when this host dies."""

    def __init__(self, keep_all: Callable[[], None], logger: Logger, seconds: float) -> None:
        """``seconds`` is how long a session is kept each time."""
        super().__init__("keeping sessions", logger, seconds / LOOKS_A_LIFE)
        self._keep_all = keep_all

    def look(self) -> None:
        """Keep all of them."""
        self._keep_all()
