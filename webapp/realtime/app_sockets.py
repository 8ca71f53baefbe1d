"""The sockets of one app: all of them and by room, those that recover apart from the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.realtime.connection import Connection

Recipients = Mapping[str, Connection]
"""Connections by the sids of their sockets."""


@dataclass(slots=True)
class _Tables:
    """Sockets that are sent the same."""

    everyone: dict[str, Connection] = field(default_factory=dict)
    rooms: dict[str, dict[str, Connection]] = field(default_factory=dict)

    def leave(self, room: str, sid: str) -> None:
        del self.rooms[room][sid]
        if not self.rooms[room]:
            del self.rooms[room]

    def sockets_in(self, rooms: Sequence[str], excluded: Collection[str]) -> Recipients:
        found = self._sockets_in(rooms)
        if not excluded:
            return found
        return {sid: connection for sid, connection in found.items() if sid not in excluded}

    def _sockets_in(self, rooms: Sequence[str]) -> Recipients:
        if not rooms:
            return self.everyone
        if len(rooms) == 1:
            return self.rooms.get(rooms[0], {})
        merged: dict[str, Connection] = {}
        for room in rooms:
            merged.update(self.rooms.get(room, {}))
        return merged


class AppSockets:
    """The sockets of one app. Those that recover get each event with its offset."""

    __slots__ = ("_plain", "_recovering")

    def __init__(self) -> None:
        self._plain = _Tables()
        self._recovering = _Tables()

    def __len__(self) -> int:
        """Return how many sockets there are."""
        return len(self._plain.everyone) + len(self._recovering.everyone)

    def add(self, sid: str, connection: Connection, *, recovers: bool) -> None:
        """Take in a socket, which hears from now on what all of the app are sent."""
        self._tables(recovers).everyone[sid] = connection

    def remove(self, sid: str, rooms: Iterable[str], *, recovers: bool) -> None:
        """Take out a socket that is in ``rooms``."""
        tables = self._tables(recovers)
        for room in rooms:
            tables.leave(room, sid)
        del tables.everyone[sid]

    def join(self, room: str, sid: str, connection: Connection, *, recovers: bool) -> None:
        """Put a socket into ``room``; again is no error."""
        self._tables(recovers).rooms.setdefault(room, {})[sid] = connection

    def leave(self, room: str, sid: str, *, recovers: bool) -> None:
        """Take a socket out of ``room``, in which it is."""
        self._tables(recovers).leave(room, sid)

    def rooms(self) -> set[str]:
        """Return the names of the rooms in which somebody is."""
        return self._plain.rooms.keys() | self._recovering.rooms.keys()

    def sids(self) -> list[str]:
        """Return the sids of all."""
        return [*self._plain.everyone, *self._recovering.everyone]

    @property
    def room_count(self) -> int:
        """How many those are."""
        if not self._recovering.rooms:
            return len(self._plain.rooms)
        return len(self.rooms())

    def sids_in(self, room: str) -> list[str]:
        """Return the sids of those in ``room``."""
        return [*self._plain.rooms.get(room, ()), *self._recovering.rooms.get(room, ())]

    def count_in(self, room: str) -> int:
        """Return how many are in ``room``."""
        return len(self._plain.rooms.get(room, ())) + len(self._recovering.rooms.get(room, ()))

    def is_anybody_in(self, room: str) -> bool:
        """Say whether a socket is in ``room``."""
        return room in self._plain.rooms or room in self._recovering.rooms

    def sockets_in(
        self, rooms: Sequence[str], excluded: Collection[str]
    ) -> tuple[Recipients, Recipients]:
        """Return who is in any of ``rooms``, or everyone: who does not recover, and who does."""
        plain = self._plain.sockets_in(rooms, excluded)
        if not self._recovering.everyone:
            return plain, {}
        return plain, self._recovering.sockets_in(rooms, excluded)

    def _tables(self, recovers: bool) -> _Tables:
        return self._recovering if recovers else self._plain
