"""The log's part of what clients that came back were given: who got what, later than others."""

from __future__ import annotations

import eventlet

from logger_lib import Logger, delivery_record
from webapp.realtime.kept import Kept

TOGETHER_SECONDS = 0.25
"""How long deliveries of one event are gathered: clients come back in crowds."""

MAX_GATHERED = 10_000
"""How many deliveries are gathered at most; then they are logged at once."""


class RecoveredDeliveries:
    """Logs the deliveries of each event to those that came back, many in one record."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._gathered: dict[str, tuple[Kept, list[str]]] = {}
        self._count = 0
        self._is_due = False

    def add(self, kept: Kept, sid: str) -> None:
        """Take note that the socket ``sid`` was given ``kept``."""
        self._gathered.setdefault(kept.event_id, (kept, []))[1].append(sid)
        self._count += 1
        if self._count >= MAX_GATHERED:
            self.flush()
        elif not self._is_due:
            self._is_due = True
            eventlet.spawn_after(TOGETHER_SECONDS, self._flush_in_time)

    def flush(self, timeout: float = 0.0) -> bool:
        """Log all that was gathered; that takes no time to speak of."""
        del timeout
        gathered, self._gathered, self._count = self._gathered, {}, 0
        for kept, sids in gathered.values():
            self._logger.log(
                delivery_record(
                    kept.name,
                    tuple(sids),
                    event_id=kept.event_id,
                    time=kept.at,
                    app=kept.app_id,
                    rooms=kept.rooms,
                )
            )
        return True

    def close(self, timeout: float) -> None:
        """Log all that was gathered."""
        self.flush(timeout)

    def _flush_in_time(self) -> None:
        self._is_due = False
        self.flush()
