"""What the workers behind one port tell each other of their figures, in memory that all see.

Who asks the port for figures reaches one of them, which then tells those of all. Nobody waits for
anybody: what a worker that hangs has told last is told with its age.
"""

from __future__ import annotations

import mmap
import struct
import time
import zlib

PLACES = 128
"""Workers that there may be at once, old ones amid a reload included."""

PLACE_BYTES = 131_072
"""What each may tell. Of memory it takes only what is written."""

_HEAD = struct.Struct("dII")
"""When it was told (monotonic seconds), how long it is, and its checksum."""

_TRIES = 3


class SharedFigures:
    """A place for each worker. Made before the workers are, which inherit it.

    The master gives out the places, so that each has one writer. One that ends leaves its place to
    the next, which thereby goes on under the same number.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, PLACES * PLACE_BYTES)
        self._taken: dict[int, int] = {}
        self.too_long = 0
        """How often a worker had more to tell than there is room for."""

    def take(self, age: int) -> int:
        """Return the place of the worker ``age``, Gunicorn's running number; for the master."""
        if age not in self._taken:
            used = set(self._taken.values())
            free = next((place for place in range(PLACES) if place not in used), PLACES - 1)
            self._taken[age] = free
        return self._taken[age]

    def leave(self, age: int) -> None:
        """Take note that the worker has ended; for the master."""
        place = self._taken.pop(age, None)
        if place is not None:
            self.clear(place)

    def clear(self, place: int) -> None:
        """Have ``place`` tell nothing."""
        self._memory[place * PLACE_BYTES : place * PLACE_BYTES + _HEAD.size] = bytes(_HEAD.size)

    def tell(self, place: int, figures: bytes) -> None:
        """Have ``figures`` be read at ``place`` from now on; too many of them clear it."""
        at = place * PLACE_BYTES
        if len(figures) > PLACE_BYTES - _HEAD.size:
            self.too_long += 1
            self.clear(place)
            return
        head = _HEAD.pack(time.monotonic(), len(figures), zlib.crc32(figures))
        self._memory[at : at + _HEAD.size + len(figures)] = head + figures

    def told(self, but: int) -> dict[int, tuple[float, bytes]]:
        """Return what is told at all places but one, each with its age in seconds."""
        found = {place: self._read(place) for place in range(PLACES) if place != but}
        return {place: read for place, read in found.items() if read is not None}

    def _read(self, place: int) -> tuple[float, bytes] | None:
        at = place * PLACE_BYTES
        for _ in range(_TRIES):
            told_at, size, check = _HEAD.unpack_from(self._memory, at)
            if not size or size > PLACE_BYTES - _HEAD.size:
                return None
            figures = self._memory[at + _HEAD.size : at + _HEAD.size + size]
            # It may be written just now, by a process that runs at the same time.
            if zlib.crc32(figures) == check:
                return max(0.0, time.monotonic() - told_at), figures
        return None
