"""How the connections to one port are shared out between the workers behind it.

All of them wait on one listening socket, and the kernel lets whoever comes first have what is
there: as a rule one and the same, which would end up with nearly all sockets. So each tells in
memory that all see how many connections it has, and who is ahead lets the others go first.

A socket of each worker's own (``SO_REUSEPORT``) would be shared out by the kernel. But what waits
on it is lost with its worker, and a second Herald on the same port would start unnoticed.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

PLACES = 256
"""Workers that there may be at once, old ones amid a reload included."""

LEAD = 8
"""How many connections a worker may be ahead of another one."""

FRESH_SECONDS = 3.0
"""How long what a worker has told counts: one that lives tells it each second."""

_NOBODY = 0xFFFF_FFFF


class Loads:
    """How many connections each worker has. Made before the workers are, which inherit it.

    A worker is known by its ``age``, Gunicorn's running number. Two share a place only after
    hundreds of restarts; then the shares are somewhat less even, and nothing else happens.
    ``clock`` tells seconds, the same ones to all workers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts = memoryview(mmap.mmap(-1, PLACES * 4)).cast("I")
        self._told_at = memoryview(mmap.mmap(-1, PLACES * 8)).cast("d")
        for place in range(PLACES):
            self._counts[place] = _NOBODY

    def tell(self, age: int, connections: int) -> None:
        """Take note that the worker has so many connections, and accepts more."""
        self._counts[age % PLACES] = connections
        self._told_at[age % PLACES] = self._clock()

    def forget(self, age: int) -> None:
        """Take note that the worker accepts none any more."""
        self._counts[age % PLACES] = _NOBODY

    def is_ahead(self, connections: int) -> bool:
        """Say whether some worker has so many fewer that it should get the next one.

        Not one that hangs or was stopped: however long the others let it go first, it takes none.
        """
        if connections <= min(self._counts) + LEAD:
            return False
        horizon = self._clock() - FRESH_SECONDS
        return any(
            count + LEAD < connections and told_at > horizon
            for count, told_at in zip(self._counts, self._told_at, strict=True)
        )
