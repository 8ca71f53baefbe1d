"""A queue on disk for what a destination does not take now: it outlives the process."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from urllib.parse import quote

from logger_lib.offload import Offload
from logger_lib.spool.checked_lines import to_line
from logger_lib.spool.segment import SUFFIX, Line, Segment, number_of

SEGMENT_BYTES = 4 * 1024 * 1024
_MOST_ADOPTED = 16
"""Segments of other processes held at once: each costs a file descriptor."""


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """Where durable loggers keep what their destination does not take.

    ``directory`` gets the folders ``spool`` and ``dead-letters``; each logger's spool is at most
    ``max_bytes``, with what other processes have put or left there. ``offload`` runs what waits for
    the disk; where it is a thread, it must be another than the destination's, so that one that
    hangs does not hold up the other.
    """

    directory: Path
    max_bytes: int
    offload: Offload

    def spool(self, name: str) -> Spool:
        """Return the spool called ``name``."""
        return Spool(self.directory / "spool" / _file_name(name), self.max_bytes, self.offload)

    def dead_letters_path(self, destination: str) -> Path:
        """Return the file of a destination's dead letters."""
        return self.directory / "dead-letters" / f"{_file_name(destination)}{SUFFIX}"


class SpoolFull(OSError):
    """A spool has reached its bound."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(ENOSPC, f"the spool has reached its bound of {max_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for segments that a process left behind has brought.

    ``unreadable`` are those that could not be taken over, and why; the next look tries them again.
    """

    lines: int
    damaged: int
    unreadable: tuple[tuple[Path, OSError], ...] = ()


class Spool:
    """The segments of one logger, oldest first.

    One thread appends, another one reads. The locks are held outside of what is offloaded. A
    process that is killed leaves its segments; a later one takes them over and reads each from its
    start, so that a line may be seen twice, but none is lost.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        offload: Offload,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self.max_bytes = max_bytes
        self._offload = offload
        self._segment_bytes = segment_bytes
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._adopted: set[Segment] = set()
        self._growing: Segment | None = None
        self._seen: list[Line] = []
        self._is_more_left = False
        self._others_bytes = 0
        self._number = 0
        self._missing = 0
        self._closed = False

    @property
    def size(self) -> int:
        """How many bytes this spool has on disk, without those of other processes."""
        return sum(segment.size for segment in list(self._segments))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return not self._segments

    @property
    def has_more_left(self) -> bool:
        """Whether ``take_over`` has left segments where they are, and can take the next now.

        It is to be called again before the next ``read``, which else gives what is newer.
        """
        return self._is_more_left and len(self._adopted) < _MOST_ADOPTED

    def append(self, texts: Sequence[str]) -> None:
        """Put ``texts`` at the end: when this returns they outlive a loss of power.

        Raises ``OSError`` where that cannot be, ``SpoolFull`` being one; then none of them is in.
        """
        data = b"".join(map(to_line, texts))
        with self._lock:
            self._offload(lambda: self._append(data, len(texts)))

    def read(self, most: int, most_bytes: int) -> list[str]:
        """Return the oldest texts, about ``most_bytes`` of them. Raises ``OSError``."""
        with self._lock:
            self._seen = self._offload(lambda: self._read(most, most_bytes))
        return [line.text for line in self._seen]

    def done(self) -> None:
        """Take note that what was read last need not be read again."""
        with self._lock:
            if self._seen and not self._closed:
                self._offload(self._done)
            self._seen = []

    def take_over(self) -> Found:
        """Look for segments that nobody holds, and make them part of this spool.

        Raises ``OSError``.
        """
        with self._lock:
            return self._offload(self._take_over)

    def take_missing(self) -> int:
        """Return how many lines, since this was last asked, were gone when their turn came."""
        missing, self._missing = self._missing, 0
        return missing

    def close(self, timeout: float = -1) -> None:
        """Leave the segments to whoever comes next, if the disk lets go within ``timeout``."""
        if self._lock.acquire(timeout=timeout):
            try:
                self._offload(self._leave)
            finally:
                self._lock.release()

    def forget_parent(self) -> None:
        """Start anew in a forked child: the segments stay the parent's."""
        for segment in self._segments:
            # The lock is the open file's, which the parent still has.
            segment.close()
        self._forget()

    def _append(self, data: bytes, lines: int) -> None:
        if self._closed:
            raise OSError("the spool is closed")
        growing = self._growing
        if growing is not None and (growing.torn or growing.size >= self._segment_bytes):
            growing = None
        if growing is None or not self._has_room(len(data)):
            self._survey()
        if not self._has_room(len(data)):
            raise SpoolFull(self.max_bytes)
        if growing is not None:
            growing.append(data, lines)
            return
        growing = self._new_segment()
        try:
            growing.append(data, lines)
            sync_directory(self._directory)
        except BaseException:
            growing.remove()
            raise
        self._segments.append(growing)
        self._growing = growing

    def _has_room(self, wanted: int) -> bool:
        return self.size + self._others_bytes + wanted <= self.max_bytes

    def _new_segment(self) -> Segment:
        make_directory(self._directory)
        while True:
            # By the clock, so that segments of several processes and starts sort by age; but
            # beyond all that are there, as a clock may have been put back.
            self._number = max(time.time_ns(), self._number + 1)
            segment = Segment.create(self._directory, self._number)
            if segment is not None:
                return segment

    def _read(self, most: int, most_bytes: int) -> list[Line]:
        while self._segments:
            oldest = self._segments[0]
            if lines := oldest.read(most, most_bytes):
                return lines
            self._remove(oldest)
            if self.has_more_left:
                break
        return []

    def _done(self) -> None:
        oldest = self._segments[0]
        oldest.done(self._seen[-1], len(self._seen))
        if not oldest.lines:
            self._remove(oldest)

    def _remove(self, oldest: Segment) -> None:
        self._missing += oldest.lines
        del self._segments[0]
        self._adopted.discard(oldest)
        if oldest is self._growing:
            self._growing = None
        oldest.remove()

    def _take_over(self) -> Found:
        lines = damaged = 0
        unreadable: list[tuple[Path, OSError]] = []
        # Where the look itself fails the next one is not due at once.
        self._is_more_left = False
        left = deque(self._survey())
        while left and len(self._adopted) < _MOST_ADOPTED and not self._closed:
            path = self._directory / left.popleft()
            try:
                segment = Segment.adopt(path)
            except OSError as error:
                unreadable.append((path, error))
                continue
            if segment is not None:
                damaged += segment.damaged
                lines += segment.lines
                self._others_bytes -= segment.size
                self._adopt(segment)
        self._is_more_left = bool(left) and not self._closed
        return Found(lines, damaged, tuple(unreadable))

    def _adopt(self, segment: Segment) -> None:
        if not segment.lines:
            segment.remove()
            return
        reading = self._segments[:1] if self._seen else []
        rest = self._segments[len(reading) :]
        self._segments = reading + sorted([*rest, segment], key=lambda each: each.path.name)
        self._adopted.add(segment)

    def _survey(self) -> list[str]:
        """Look at the segments that are there; return the names of those not held, oldest first."""
        held = {segment.path.name for segment in self._segments}
        names: list[str] = []
        self._others_bytes = 0
        for name, size in _segment_sizes(self._directory):
            self._number = max(self._number, number_of(name))
            if name not in held:
                names.append(name)
                self._others_bytes += size
        return sorted(names)

    def _leave(self) -> None:
        self._closed = True
        for segment in self._segments:
            segment.close()
        self._segments = []
        self._growing = None


def _segment_sizes(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the bytes of each segment in ``directory``. Raises ``OSError``."""
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                # One that is gone meanwhile was somebody's who is through with it.
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False).st_size


def make_directory(directory: Path) -> None:
    """Make ``directory`` and those above it, for good. Raises ``OSError``."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in ``directory`` outlive a loss of power. Raises ``OSError``."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _file_name(name: str) -> str:
    """Return ``name`` with every character in it that a path could take amiss escaped."""
    return quote(name, safe="").replace(".", "%2E")
