"""Patience with a SQLite file that somebody else has locked."""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from logger_lib.offload import Offload

Result = TypeVar("Result")

PATIENCE_SECONDS = 5.0
"""How long a call tries to get at the file."""

PAUSE_SECONDS = 0.02


class Unlocked:
    """An offload that tries a call again while the file is locked, and gives its turn up meanwhile.

    All calls on one database take turns, as no two real threads may be at one engine (see
    ``webapp.offload``: its locks are green). SQLite itself would wait for a lock inside the turn,
    and a look at a key, which no lock hinders, would wait behind a write to the log that one does.
    So the driver is told not to wait, and the waiting is done here, between two turns: there is
    still one thread at a time, and what holds the turn is at work. A call that found the file
    locked has changed nothing, and may be made again.
    """

    def __init__(self, offload: Offload) -> None:
        self._offload = offload

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Return the result of ``call``, or raise its error, after 5 s that of the locked file."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._offload(call)
            except DBAPIError as error:
                if not _is_locked(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(PAUSE_SECONDS)


def _is_locked(error: DBAPIError) -> bool:
    cause = error.orig
    # The low byte is the kind of error; the others tell which lock it was.
    return (
        isinstance(cause, sqlite3.OperationalError)
        and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )
