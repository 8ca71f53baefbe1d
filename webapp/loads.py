"""How the connections to one port are shared out between the workers behind it.

All of them wait on one listening socket, and the kernel lets whoever comes first have what is
there: as a rule one and the same, which would end up with nearly all sockets. So each tells in
memory that all see how many connections it has, and who is ahead lets the others go first.

A socket of each worker's own (``SO_REUSEPORT``) would be shared out by the kernel. But what waits
on it is lost with its worker, and a second Herald on the same port would start unnoticed.
"""

from __future__ import annotations

import mmap

PLACES = 256
"""Workers that there may be at once, old ones amid a reload included."""

LEAD = 8
"""How many connections a worker may be ahead of another one."""

_NOBODY = 0xFFFF_FFFF


class Loads:
    """How many connections each worker has. Made before the workers are, which inherit it.

    A worker is known by its ``age``, Gunicorn's running number. Two share a place only after
    hundreds of restarts; then the shares are somewhat less even, and nothing else happens.
    """

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, PLACES * 4)).cast("I")
        for place in range(PLACES):
            self._counts[place] = _NOBODY

    def tell(self, age: int, connections: int) -> None:
        """Take note that the worker has so many connections, and accepts more."""
        self._counts[age % PLACES] = connections

    def forget(self, age: int) -> None:
        """Take note that the worker accepts none any more."""
        self._counts[age % PLACES] = _NOBODY

    def is_ahead(self, connections: int) -> bool:
        """Say whether some worker has so many fewer that it should get the next one."""
        return connections > min(self._counts) + LEAD
