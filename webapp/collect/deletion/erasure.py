"""Deleting all that there is of one user, because they ask for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from webapp.collect.deletion.removal import HitRemoval
from webapp.retention import DELETED_AT_ONCE
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow

PAUSE_SECONDS = 0.01
"""Between two transactions: on SQLite others write meanwhile."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many hits were deleted, and whether none is left: else the same call goes on."""

    hits: int
    is_complete: bool

    def and_also(self, hits: int) -> "Erased":
        """Return this with so many more."""
        return replace(self, hits=self.hits + hits)


class Erasure:
    """Deletes the hits of a user, with their days, and takes them out of every sum."""

    def __init__(
        self,
        database: Database,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._removal = HitRemoval(database)
        self._timer = timer
        self._clock = clock

    def erase(self, app_id: str, user_id: str, seconds: float) -> Erased:
        """Delete for about ``seconds``; what is deleted then stays so.

        Hits that were received before it and are under way, in Redis or in a spool, are left out
        when they are written. Raises ``Unavailable``.
        """
        deadline = self._timer() + seconds
        hits = 0
        # No stored name ends in blanks, and MySQL compares without them.
        user_id = user_id.rstrip(" ")
        self._removal.keep_out(app_id, user_id, int(self._clock() * 1000))
        which = HitRow.user_id == user_id
        while deleted := self._removal.remove(app_id, which, DELETED_AT_ONCE):
            hits += deleted
            if self._timer() >= deadline:
                return Erased(hits, is_complete=False)
            time.sleep(PAUSE_SECONDS)
        return Erased(hits, is_complete=True)
