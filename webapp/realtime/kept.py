"""One event, as it is kept for who comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.realtime.offsets import Position

OVERHEAD = 500
"""Bytes that an event takes beside its packet."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One event, as it is kept for who comes back."""

    position: Position
    event_id: str
    app_id: str
    name: str
    at: datetime
    rooms: tuple[str, ...]
    excluded: frozenset[str]
    packet: str
    """The Socket.IO packet as text, without the offset."""

    origin: str = ""
    """The host that published it."""

    early: int = 0
    """Its number among those of its origin that may be delivered before the stream has them; 0: it
    may not."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.packet) + OVERHEAD
