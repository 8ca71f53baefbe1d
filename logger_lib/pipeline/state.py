"""How a pipeline is just now, for who watches over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferState:
    """What waits in one buffer, or in several together, and whether its destination takes it."""

    waiting: int = 0
    """Items in memory that are not being written yet."""
    waiting_bytes: int = 0
    max_waiting: int = 0
    max_waiting_bytes: int = 0
    spool_bytes: int = 0
    """What this process has on disk."""
    max_spool_bytes: int = 0
    failing_since: datetime | None = None
    """Since when the destination has failed each time; ``None``: it has not, the last time."""
    is_spooling: bool = False
    """Whether what comes goes by way of the disk, as the destination fails or is slow."""
    accepts: bool = True
    """Whether what is given now can be expected to be kept."""

    @property
    def name(self) -> str:
        """One word: ``ok``, ``behind`` (by way of the disk), ``failing``, ``full``."""
        if not self.accepts:
            return "full"
        if self.failing_since is not None:
            return "failing"
        return "behind" if self.is_spooling else "ok"

    def __add__(self, other: BufferState) -> BufferState:
        """Return both as one, which is as well as the worse of them."""
        failing = [at for at in (self.failing_since, other.failing_since) if at is not None]
        return BufferState(
            waiting=self.waiting + other.waiting,
            waiting_bytes=self.waiting_bytes + other.waiting_bytes,
            max_waiting=self.max_waiting + other.max_waiting,
            max_waiting_bytes=self.max_waiting_bytes + other.max_waiting_bytes,
            spool_bytes=self.spool_bytes + other.spool_bytes,
            max_spool_bytes=self.max_spool_bytes + other.max_spool_bytes,
            failing_since=min(failing, default=None),
            is_spooling=self.is_spooling or other.is_spooling,
            accepts=self.accepts and other.accepts,
        )
