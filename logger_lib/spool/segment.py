"""One file of a spool.

The process that holds it appends groups of lines, reads them from the front, and removes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from logger_lib.spool.checked_lines import from_line

if sys.platform != "win32":
    # There is no spool on Windows, which can import the library all the same.
    import fcntl

SUFFIX = ".jsonl"
_DIGITS = 20
_READ_BYTES = 64 * 1024
_NEW = os.O_CREAT | os.O_EXCL
# macOS has the slower one alone.
_sync = getattr(os, "fdatasync", os.fsync)


class Line(NamedTuple):
    """The text of a line, and where in the file the line ends."""

    text: str
    end: int


class Segment:
    """An open, locked file of checked lines; the lock ends with the process, however it ends."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.size = os.fstat(fd).st_size
        self.lines = 0
        """How many whole lines there are, and are not done."""
        self.damaged = 0
        """How many lines were cut off or damaged when it was taken over."""
        self.torn = False
        """Whether a part of a group is left at its end, so that it must not grow."""
        self._fd = fd
        self._done = 0

    @classmethod
    def create(cls, directory: Path, number: int) -> Self | None:
        """Make the segment ``number``; None where there is one. Raises ``OSError``."""
        try:
            return cls._locked(directory / f"{number:0{_DIGITS}}{SUFFIX}", _NEW)
        except FileExistsError:
            return None

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over a segment that nobody holds; None where somebody does, or did and is through.

        Its lines are counted. Raises ``OSError``, and then it is left to others.
        """
        try:
            segment = cls._locked(path, 0)
        except FileNotFoundError:
            return None
        if segment is not None:
            try:
                segment._count()
            except BaseException:
                segment.close()
                raise
        return segment

    @classmethod
    def _locked(cls, path: Path, flags: int) -> Self | None:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have taken it for left behind, and removed it as it was empty.
            if os.fstat(fd).st_nlink:
                return cls(path, fd)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def append(self, data: bytes, lines: int) -> None:
        """Add ``data`` for good, or nothing of it. Raises ``OSError``."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            _sync(self._fd)
        except BaseException:
            self.torn = True
            with suppress(OSError):
                os.ftruncate(self._fd, self.size)
                self.torn = False
            raise
        self.size += len(data)
        self.lines += lines

    def read(self, most_lines: int, most_bytes: int) -> list[Line]:
        """Return the oldest lines that are not done and are whole; none if there are no more.

        At least one is returned if there is one, however long. Raises ``OSError``.
        """
        position = self._done
        while chunk := self._chunk(position, most_bytes):
            found = [Line(text, position + end) for text, end in _texts(chunk) if text is not None]
            if found:
                return found[:most_lines]
            position += len(chunk)
        return []

    def done(self, line: Line, lines: int) -> None:
        """Take note that ``lines``, of which ``line`` is the last, need not be read again."""
        self._done = line.end
        self.lines -= lines

    def remove(self) -> None:
        """Remove the file."""
        # What cannot be removed is read again after a restart, which harms nobody.
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave the file to whoever takes it over."""
        os.close(self._fd)

    def _count(self) -> None:
        position = 0
        while chunk := self._chunk(position, _READ_BYTES):
            texts = [text for text, _ in _texts(chunk)]
            self.damaged += texts.count(None)
            self.lines += len(texts) - texts.count(None)
            position += len(chunk)

    def _chunk(self, position: int, wanted: int) -> bytes:
        """Return lines from ``position`` on, about ``wanted`` bytes or one; none at the end."""
        while True:
            chunk = os.pread(self._fd, min(wanted, self.size - position), position)
            if position + len(chunk) >= self.size or not chunk:
                return chunk
            end = chunk.rfind(b"\n") + 1
            if end:
                return chunk[:end]
            wanted *= 2


def number_of(name: str) -> int:
    """Return the number of the segment with this file name; 0 where it is nobody's."""
    digits = name.removesuffix(SUFFIX)
    return int(digits) if len(digits) == _DIGITS and digits.isdecimal() else 0


def _texts(chunk: bytes) -> Iterator[tuple[str | None, int]]:
    """Yield the text of each line and where it ends; None for one cut off or damaged."""
    end = 0
    *lines, rest = chunk.split(b"\n")
    for line in lines:
        end += len(line) + 1
        yield from_line(line), end
    if rest:
        yield None, len(chunk)
