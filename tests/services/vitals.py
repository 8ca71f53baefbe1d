"""What the kernel knows of a process: its memory and its descriptors."""

import re
from pathlib import Path

KIB = 1024
MIB = KIB * KIB


def resident_bytes(pid: int) -> int:
    """Return the memory that the process has now."""
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Have ``peak_bytes`` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """Return the most memory that the process has had since ``forget_peak``."""
    return _status(pid, "VmHWM")


def open_files(pid: int) -> int:
    """Return how many descriptors the process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _status(pid: int, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found, f"{name} of {pid}"
    return int(found[1]) * KIB
