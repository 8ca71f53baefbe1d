"""What became of the records given to a destination."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Numbers of records since the process started.

    Each logger has its own and changes them under a lock of its own, which keeps them exact; a
    factory's are the sum of its loggers'.
    """

    taken: int = 0
    written: int = 0
    dropped: int = 0
    """Refused because the buffer was full, or still waiting when the logger was closed."""
    failed: int = 0
    """Given to the destination, which raised."""

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            taken=self.taken + other.taken,
            written=self.written + other.written,
            dropped=self.dropped + other.dropped,
            failed=self.failed + other.failed,
        )
