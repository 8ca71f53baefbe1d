"""Deleting what is older than it is to be kept, a little at a time."""

import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

DELETED_AT_ONCE = 500
"""Records of one transaction: on SQLite nobody else can write before its end."""

PAUSE_SECONDS = 0.1
"""Between two transactions: the log is written, and keys are looked up, meanwhile."""

EVERY_SECONDS = 600.0


class Retention:
    """Deletes the records of the log that are older than ``days``.

    ``delete_before(moment, limit)`` deletes the oldest from before ``moment``, ``limit`` at most,
    and returns how many: 0 where there are none. ``deleted`` counts them, ``failed`` the times that
    it could not.
    """

    def __init__(self, delete_before: Callable[[datetime, int], int], days: int) -> None:
        self._delete_before = delete_before
        self._kept = timedelta(days=days)
        self.deleted = 0
        self.failed = 0

    def run(self) -> None:
        """Delete for ever, every ten minutes; hosts that share a database take turns by chance."""
        while True:
            time.sleep(random.uniform(0.5, 1.5))  # noqa: S311  no secret
            try:
                self.delete_old()
            except Exception as error:  # noqa: BLE001  the next turn must come, whatever it was
                self.failed += 1
                sys.stderr.write(f"Herald: old events are not deleted: {type(error).__name__}.\n")
            time.sleep(EVERY_SECONDS)

    def delete_old(self) -> None:
        """Delete all that is too old now."""
        moment = datetime.now(UTC) - self._kept
        while deleted := self._delete_before(moment, DELETED_AT_ONCE):
            self.deleted += deleted
            time.sleep(PAUSE_SECONDS)
