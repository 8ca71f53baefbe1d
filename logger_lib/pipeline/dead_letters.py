"""What a destination refused for good, kept on disk with the reason: for a human to look at."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, NamedTuple

from logger_lib.notice import Notice
from logger_lib.offload import Offload
from logger_lib.pipeline.flow import Form, Item
from logger_lib.spool.checked_lines import from_line, to_line
from logger_lib.spool.spool import make_directory, sync_directory

if sys.platform != "win32":
    import fcntl

MAX_BYTES = 16 * 1024 * 1024
_LONGEST_TEXT = 10_000


class DeadLetter(NamedTuple):
    """The JSON of what was refused, and why it was."""

    content: str
    reason: str


class DeadLetters:
    """The file of one destination, in the form of a spool's lines.

    Beyond ``max_bytes`` it is renamed to end in ``.1``, in place of the one renamed before, and
    begun anew. Several processes may share it.
    """

    def __init__(
        self, path: Path, destination: str, offload: Offload, max_bytes: int = MAX_BYTES
    ) -> None:
        self.path = path
        self._destination = destination
        self._offload = offload
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def keep(self, letters: Sequence[DeadLetter]) -> None:
        """Add ``letters`` for good, or none of them. Raises ``OSError``."""
        data = b"".join(to_line(self._text(letter)) for letter in letters)
        with self._lock:
            self._offload(lambda: self._add(data))

    def remove(self, is_meant: Callable[[str], bool]) -> int:
        """Delete the letters for whose text ``is_meant`` is true; return how many they were.

        It is shown what is left of a damaged one, too. It is called where the ``offload`` runs it.
        Raises ``OSError``; then some of them may be left.
        """
        with self._lock:
            return self._offload(lambda: self._remove(is_meant))

    def forget_parent(self) -> None:
        """Start anew in a forked child."""
        self._lock = threading.Lock()

    def _text(self, letter: DeadLetter) -> str:
        head = {
            "at": datetime.now(UTC).isoformat(),
            "destination": self._destination,
            "reason": letter.reason,
        }
        return f'{json.dumps(head)[:-1]}, "record": {letter.content}}}'

    def _add(self, data: bytes) -> None:
        make_directory(self.path.parent)
        with self._opened() as fd:
            size = os.fstat(fd).st_size
            if not size or size + len(data) <= self._max_bytes:
                self._append(fd, size, data)
                return
            self.path.rename(self._older)
        with self._opened() as fd:
            self._append(fd, os.fstat(fd).st_size, data)

    @property
    def _older(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def _remove(self, is_meant: Callable[[str], bool]) -> int:
        if not self.path.exists() and not self._older.exists():
            return 0
        # Who holds the lock of the one file is the only one to rename either.
        with self._opened():
            return sum(_rewrite(path, is_meant) for path in (self._older, self.path))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the file and lock it, so that no other process appends or renames meanwhile."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if _is_at(fd, self.path):
                    yield fd
                    return
            finally:
                os.close(fd)

    def _append(self, fd: int, size: int, data: bytes) -> None:
        # What a process that was killed has left of its last line must not take this one with it.
        is_torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        rest = memoryview(b"\n" + data if is_torn else data)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
            if not size:
                sync_directory(self.path.parent)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(fd, size)
            raise


def _rewrite(path: Path, is_meant: Callable[[str], bool]) -> int:
    """Put a file without the letters that are meant in the place of ``path``; return how many."""
    if not path.exists() or not _holds_any(path, is_meant):
        return 0
    new = path.with_name(f"{path.name}.new")
    removed = 0
    try:
        with path.open("rb") as lines, open(new, "wb", opener=_open_private) as kept:
            for line in lines:
                if is_meant(_legible(line)):
                    removed += 1
                else:
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        new.rename(path)
        sync_directory(path.parent)
    finally:
        new.unlink(missing_ok=True)
    return removed


def _holds_any(path: Path, is_meant: Callable[[str], bool]) -> bool:
    with path.open("rb") as lines:
        return any(is_meant(_legible(line)) for line in lines)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _legible(line: bytes) -> str:
    whole = from_line(line.removesuffix(b"\n"))
    return line.decode(errors="replace") if whole is None else whole


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


class Refused(Generic[Item]):
    """What becomes of items that their destination can never hold.

    They are dead letters where there is a place for these, else they have failed.
    """

    def __init__(self, form: Form[Item], letters: DeadLetters | None, notice: Notice) -> None:
        self._form = form
        self._letters = letters
        self._notice = notice

    def keep(
        self, refusals: Sequence[tuple[Item, str]], odd: Sequence[tuple[str, str]] = ()
    ) -> tuple[int, int]:
        """Keep ``refusals``, and texts that are no items; return how many are kept and are not.

        Raises ``OSError`` where the disk does not take them: then none is kept.
        """
        count = len(refusals) + len(odd)
        if not count:
            return 0, 0
        reasons = [reason for _, reason in (*refusals, *odd)]
        if self._letters is None:
            self._notice.refused(reasons, "records are counted as failed")
            return 0, count
        letters = [DeadLetter(self._content(item), reason) for item, reason in refusals]
        letters += [DeadLetter(json.dumps(text), reason) for text, reason in odd]
        self._letters.keep(letters)
        self._notice.refused(reasons, f"they are in {self._letters.path}")
        return count, 0

    def keep_or_lose(self, refusals: Sequence[tuple[Item, str]]) -> tuple[int, int]:
        """Keep ``refusals`` as ``keep`` does, but where the disk does not take them they are lost.

        For what is not acknowledged yet: whoever waits for it is told, and can try again.
        """
        try:
            return self.keep(refusals)
        except OSError as error:
            self._notice.cannot_set_aside(error, "records are counted as failed")
            return 0, len(refusals)

    def _content(self, item: Item) -> str:
        try:
            return self._form.encode(item)
        except Exception:  # noqa: BLE001  whatever a program has put into the item
            return json.dumps(_shown(item))


def _shown(item: Item) -> str:
    try:
        return repr(item)[:_LONGEST_TEXT]
    except Exception:  # noqa: BLE001  the same
        return f"a {type(item).__name__} that cannot be shown"
