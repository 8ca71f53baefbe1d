"""Who is in the rooms that are watched here, at the other hosts, as far as they have told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from webapp.presence.watching import MAX_ROSTER
from webapp.presence.wire import AppRoom, Change, Roster

MAX_KEPT = 200_000
"""How many sockets of other hosts are known by name here; should their host die, nobody is told
that further ones have left."""

MAX_PARTS = 100
"""Of a roster; of more nothing is known."""


@dataclass(slots=True)
class _Known:
    subjects: dict[str, str | None] = field(default_factory=dict)
    is_cut: bool = False
    """Whether there are more."""


@dataclass(slots=True)
class _WatchedRoom:
    awaited: set[str]
    """Hosts that have not told yet who was there when the watch began."""
    at_hosts: dict[str, _Known] = field(default_factory=dict)
    parts: dict[str, tuple[Roster, ...]] = field(default_factory=dict)
    """Of rosters whose last part has not come, by host."""

    def join(self, host: str, part: Roster) -> Roster | None:
        """Return the roster of which ``part`` is the last one, where none of it is missing."""
        before = self.parts.pop(host, ()) if part.part else ()
        if part.part != len(before):
            # The host was not heard, and says it anew: it knows that, or is asked.
            return None
        parts = (*before, part)
        if part.is_last:
            subjects = {sid: subject for each in parts for sid, subject in each.subjects.items()}
            return Roster(part.at, subjects, part.is_cut)
        if len(parts) < MAX_PARTS:
            self.parts[host] = parts
        return None


class Rosters:
    """Finds out what has changed, whether it was told one by one or as a whole."""

    def __init__(self) -> None:
        self._rooms: dict[AppRoom, _WatchedRoom] = {}
        self._kept = 0
        self.cut = 0
        """How many sockets had no room here, or rosters that were cut."""

    def begin(self, at: AppRoom, others: Iterable[str]) -> None:
        """Watch a room from now on; ``others`` are going to tell who is there already."""
        self._rooms[at] = _WatchedRoom({*others})

    def end(self, at: AppRoom) -> None:
        """Forget a room."""
        watched = self._rooms.pop(at, None)
        if watched is not None:
            self._kept -= sum(len(known.subjects) for known in watched.at_hosts.values())

    def change(self, host: str, change: Change) -> bool:
        """Take note of a change at ``host``; say whether it is one, and of a room watched here."""
        watched = self._rooms.get(change.at)
        if watched is None:
            return False
        known = watched.at_hosts.setdefault(host, _Known())
        if not change.came:
            return self._remove(known, change.sid) or known.is_cut or host in watched.awaited
        if change.sid in known.subjects:
            return False
        self._add(known, change.sid, change.subject)
        return True

    def whole(self, host: str, part: Roster) -> Iterator[Change]:
        """Take note of who is in a room at ``host``, when its last part has come.

        Returns what has changed, where that is new.
        """
        watched = self._rooms.get(part.at)
        roster = None if watched is None else watched.join(host, part)
        if watched is None or roster is None:
            return
        before = watched.at_hosts.pop(host, _Known())
        self._kept -= len(before.subjects)
        known = watched.at_hosts[host] = _Known(is_cut=roster.is_cut)
        for sid, subject in roster.subjects.items():
            self._add(known, sid, subject)
        if host in watched.awaited:
            watched.awaited.remove(host)
            return
        if before.is_cut or known.is_cut:
            return
        for sid, subject in before.subjects.items():
            if sid not in known.subjects:
                yield Change(roster.at, sid, subject, came=False)
        for sid, subject in roster.subjects.items():
            if sid not in before.subjects:
                yield Change(roster.at, sid, subject, came=True)

    def lost(self, host: str) -> Iterator[Change]:
        """Take note that ``host`` is gone with all its sockets; return what that changes."""
        for at, watched in list(self._rooms.items()):
            watched.awaited.discard(host)
            watched.parts.pop(host, None)
            known = watched.at_hosts.pop(host, _Known())
            self._kept -= len(known.subjects)
            for sid, subject in known.subjects.items():
                yield Change(at, sid, subject, came=False)

    def _add(self, known: _Known, sid: str, subject: str | None) -> None:
        if len(known.subjects) >= MAX_ROSTER or self._kept >= MAX_KEPT:
            known.is_cut = True
            self.cut += 1
            return
        known.subjects[sid] = subject
        self._kept += 1

    def _remove(self, known: _Known, sid: str) -> bool:
        if sid not in known.subjects:
            return False
        del known.subjects[sid]
        self._kept -= 1
        return True
