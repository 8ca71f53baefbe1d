"""The events of one app that are kept for clients that come back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.realtime.kept import Kept
    from webapp.realtime.offsets import Position


class AppEvents:
    """What is kept of one app, in order, each event with the time at which it came."""

    __slots__ = ("_begin", "_entries", "size")

    def __init__(self) -> None:
        self._entries: list[tuple[float, Kept]] = []
        self._begin = 0
        self.size = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries) - self._begin

    def append(self, came_at: float, kept: Kept) -> None:
        """Keep one more, which came at ``came_at``."""
        self._entries.append((came_at, kept))
        self.size += kept.size

    @property
    def oldest_at(self) -> float:
        """When the oldest one came."""
        return self._entries[self._begin][0]

    def drop_oldest(self) -> Kept:
        """Give up the oldest one and return it."""
        _, kept = self._entries[self._begin]
        self._begin += 1
        self.size -= kept.size
        if self._begin * 2 > len(self._entries):
            # Not each time: taking from the front of a list moves all that is behind.
            del self._entries[: self._begin]
            self._begin = 0
        return kept

    def take_behind(self, position: Position) -> list[tuple[float, Kept]]:
        """Take out those that stand behind ``position``, each with the time at which it came."""
        begin = bisect_right(self._entries, position, lo=self._begin, key=_position_of)
        taken = self._entries[begin:]
        del self._entries[begin:]
        self.size -= sum(kept.size for _, kept in taken)
        return taken

    def behind(self, position: Position) -> Iterator[Kept]:
        """Yield those that stand behind ``position``, for as long as none is added or given up."""
        begin = bisect_right(self._entries, position, lo=self._begin, key=_position_of)
        for at in range(begin, len(self._entries)):
            yield self._entries[at][1]


def _position_of(entry: tuple[float, Kept]) -> Position:
    return entry[1].position
