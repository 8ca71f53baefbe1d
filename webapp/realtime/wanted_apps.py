"""The apps of which somebody may come back for events: of others, none need be kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_QUIET = 10_000
"""Beyond so many apps it is looked whose time is over."""


@dataclass(slots=True)
class _App:
    sockets: int = 0
    until: float = 0.0


class WantedApps:
    """Counts the sockets of each app that can come back, and remembers it for ``seconds``."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._apps: dict[str, _App] = {}

    def begin(self, app_id: str) -> None:
        """Count a socket."""
        self._apps.setdefault(app_id, _App()).sockets += 1

    def end(self, app_id: str) -> None:
        """Count it no more; for its time somebody may come back to it."""
        app = self._apps[app_id]
        app.sockets -= 1
        app.until = self._clock() + self._seconds
        if len(self._apps) > MAX_QUIET:
            for quiet in [name for name in self._apps if not self.is_wanted(name)]:
                del self._apps[quiet]

    def is_wanted(self, app_id: str) -> bool:
        """Say whether a socket of the app is here, or may come back."""
        app = self._apps.get(app_id)
        return app is not None and (app.sockets > 0 or self._clock() < app.until)
