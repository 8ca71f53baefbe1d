"""Which events are older than they are to be kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def old_events(delete_before: Callable[[datetime, int], int], days: int) -> Callable[[int], int]:
    """Return what deletes some of the records of the log that are older than ``days``.

    ``delete_before(moment, limit)`` deletes the oldest from before ``moment``, ``limit`` at most,
    and returns how many.
    """
    kept = timedelta(days=days)
    return lambda limit: delete_before(datetime.now(UTC) - kept, limit)
