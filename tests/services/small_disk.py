"""Disks that can be filled: a small tmpfs, or a limit on the size of a process's files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.services.databases import absent

MIB = 1 << 20


class FullDisk(Protocol):
    """A disk that a test fills and frees."""

    def fill(self) -> None:
        """Leave no space."""

    def free(self) -> None:
        """Give the space back."""


class SmallDisk:
    """A tmpfs of its own; ``path`` is where it is mounted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Write until there is no space."""
        fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (MIB, 4096, 1):
                _write_until_full(fd, bytes(size))
        finally:
            os.close(fd)

    def free(self) -> None:
        """Remove what ``fill`` has written."""
        self._ballast.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        """How much could be written."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


def _write_until_full(fd: int, block: bytes) -> None:
    try:
        while os.write(fd, block) == len(block):
            pass
    except OSError:
        return


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs of ``size`` bytes at ``path``; it takes the superuser."""
    path.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "herald-test", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        absent(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a server that the test has just ended may not have let go of it yet.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


class SizeLimit:
    """Processes whose files cannot grow: a write beyond the limit fails with EFBIG."""

    def __init__(self, pids: list[int], size: int) -> None:
        self._pids = pids
        self._size = size
        self._before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]

    def fill(self) -> None:
        """Set the limit, below what their files have already."""
        for pid, (_, hard) in zip(self._pids, self._before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (self._size, hard))

    def free(self) -> None:
        """Lift it."""
        for pid, limits in zip(self._pids, self._before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
