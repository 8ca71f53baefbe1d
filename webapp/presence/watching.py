"""Who comes into the rooms that somebody watches, and who leaves them."""

from __future__ import annotations

from typing import Protocol

from webapp.errors import LimitReached
from webapp.names import OWN, PRESENCE, is_own, watched_by
from webapp.presence.wire import AppRoom, Change, Roster
from webapp.realtime.members import Member
from webapp.realtime.rooms import RoomManager

JOINED, LEFT = f"{OWN}joined", f"{OWN}left"
"""The events that watchers are sent."""

MAX_WATCHED, MAX_WATCHED_BY_APP = 1_000, 200
"""How many rooms are watched at a host, and of one app; ``join`` is refused beyond that."""

MAX_ROSTER = 10_000
MAX_SUBJECTS = 524_288
"""Of how many sockets in a room a host tells the others, and characters of their subjects; more it
does not name."""


class Elsewhere(Protocol):
    """The other hosts: those that are told, and those that tell. Nothing here waits."""

    @property
    def is_told(self) -> bool:
        """Whether any room is watched on another host."""
        ...

    def began(self, at: AppRoom) -> None:
        """Take note that a room is watched here."""
        ...

    def ended(self, at: AppRoom) -> None:
        """Take note that a room is not watched here any more."""
        ...

    def moved(self, change: Change) -> None:
        """Tell who watches on other hosts."""
        ...


class Watching:
    """Tells the watchers here who comes and goes; ``host`` is the name of this one."""

    def __init__(self, host: str, rooms: RoomManager) -> None:
        self._host = host
        self._rooms = rooms
        self._watched: dict[str, set[str]] = {}
        self._count = 0
        self.elsewhere: Elsewhere | None = None
        rooms.on_moved = self._moved

    @property
    def watched(self) -> frozenset[AppRoom]:
        """The rooms that are watched here."""
        return frozenset(AppRoom(app, room) for app, of in self._watched.items() for room in of)

    @property
    def watchers(self) -> int:
        """How many sockets here watch a room, each as often as it watches one."""
        return sum(
            self._rooms.sockets_of(at.app_id).count_in(PRESENCE + at.room) for at in self.watched
        )

    def is_watched(self, at: AppRoom) -> bool:
        """Say whether somebody watches a room here."""
        return at.room in self._watched.get(at.app_id, ())

    def check(self, app_id: str, room: str) -> None:
        """Raise ``LimitReached`` where ``room`` would be one too many to be watched here."""
        of_app = self._watched.get(app_id, ())
        if room in of_app:
            return
        if len(of_app) >= MAX_WATCHED_BY_APP or self._count >= MAX_WATCHED:
            raise LimitReached(
                f"{MAX_WATCHED_BY_APP} rooms of an app are watched at a host, and {MAX_WATCHED} of"
                f" all apps: leave another {PRESENCE}… first"
            )

    def show(self, change: Change, host: str) -> None:
        """Tell the watchers here of what has changed at ``host``."""
        if self.is_watched(change.at):
            self._rooms.deliver(
                change.at.app_id,
                JOINED if change.came else LEFT,
                {
                    "room": change.at.room,
                    "sid": change.sid,
                    "subject": change.subject,
                    "host": host,
                },
                rooms=(PRESENCE + change.at.room,),
                excluded=(),
            )

    def roster(self, at: AppRoom) -> Roster:
        """Return who is in a room, here."""
        sids = self._rooms.sockets_of(at.app_id).sids_in(at.room)
        subjects: dict[str, str | None] = {}
        size = 0
        for sid in sids[:MAX_ROSTER]:
            member = self._rooms.member(sid)
            if member is not None and size < MAX_SUBJECTS:
                subjects[sid] = subject = _subject_of(member)
                size += len(subject or "")
        return Roster(at, subjects, is_cut=len(subjects) < len(sids))

    def _moved(self, member: Member, room: str, came: bool) -> None:
        app_id = member.admitted.app_id
        if is_own(room):
            watched = watched_by(room)
            if watched is not None:
                self._watch(AppRoom(app_id, watched))
            return
        elsewhere = self.elsewhere
        is_told = elsewhere is not None and elsewhere.is_told
        if not is_told and not self._count:
            return
        change = Change(AppRoom(app_id, room), member.sid, _subject_of(member), came)
        self.show(change, self._host)
        if elsewhere is not None:
            elsewhere.moved(change)

    def _watch(self, at: AppRoom) -> None:
        """Take note of whether anybody is in the room from which a room is watched."""
        is_watched = self._rooms.is_anybody_in(at.app_id, PRESENCE + at.room)
        if is_watched == self.is_watched(at):
            return
        of_app = self._watched.setdefault(at.app_id, set())
        if is_watched:
            of_app.add(at.room)
            self._count += 1
        else:
            of_app.remove(at.room)
            self._count -= 1
        if not of_app:
            del self._watched[at.app_id]
        if self.elsewhere is not None:
            (self.elsewhere.began if is_watched else self.elsewhere.ended)(at)


def _subject_of(member: Member) -> str | None:
    claims = member.admitted.claims
    return None if claims is None else claims.subject
