"""Deleting what is older than it is to be kept, a little at a time."""

import random
import sys
import time
from collections.abc import Callable

DELETED_AT_ONCE = 500
"""Rows of one transaction: on SQLite nobody else can write before its end."""

PAUSE_SECONDS = 0.1
"""Between two transactions: others write, and keys are looked up, meanwhile."""

EVERY_SECONDS = 600.0


class Retention:
    """Deletes what is too old.

    ``delete_some(limit)`` deletes the oldest, ``limit`` at most, and returns how many: 0 where
    there are none. ``deleted`` counts them, ``failed`` the times that it could not. ``what`` they
    are is said then.
    """

    def __init__(self, delete_some: Callable[[int], int], what: str) -> None:
        self._delete_some = delete_some
        self._what = what
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
                told = f"Herald: old {self._what} are not deleted: {type(error).__name__}.\n"
                sys.stderr.write(told)
            time.sleep(EVERY_SECONDS)

    def delete_old(self) -> None:
        """Delete all that is too old now."""
        while deleted := self._delete_some(DELETED_AT_ONCE):
            self.deleted += deleted
            time.sleep(PAUSE_SECONDS)
