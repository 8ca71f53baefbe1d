"""Socket.IO's connection state recovery: a client that drops and comes back misses nothing.

A client asks for it with ``recovery: true`` beside its token. It is told a secret name for its
session, ``pid``, and the offset of each event; with both it comes back, here or on another host.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import eventlet

from logger_lib import JsonObject, JsonValue
from webapp.realtime.catch_up import CatchUp, Deliveries
from webapp.realtime.history import History
from webapp.realtime.members import Member, SocketOwner
from webapp.realtime.offsets import Offset
from webapp.realtime.rooms import NAMESPACE, RoomManager
from webapp.realtime.seen import Seen
from webapp.realtime.sessions import Claimant, Session, SessionsOutOfReach, SessionStore
from webapp.realtime.wanted_apps import WantedApps

RECOVERY = "herald.recovery"
"""The first event of a session: it brings the first offset, so that nobody has to wait for one."""

RECOVERED = "recovered"

TAKEN_OVER = "taken over: its client has come back by another connection"
"""Why a connection is ended that is not known to be dead yet."""

PID_BYTES = 16
MAX_WORD = 4_000
"""Characters of what a client sends for its pid and offset; ours have less."""

KEPT_A_TURN = 200
"""How many sessions are looked at before others get their turn."""

BEHIND_SECONDS = 1.0
BEHIND_LOOK = 0.02
"""How long is waited until this host has heard of all that the client has; and the looks at it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client says of recovery when it connects: it wants it, and maybe that it was here."""

    pid: str
    offset: str

    @classmethod
    def of(cls, auth: JsonValue) -> Wish | None:
        """Return the wish that is in ``auth``, or ``None`` where there is none."""
        if not isinstance(auth, Mapping) or auth.get("recovery") is not True:
            return None
        return cls(_word(auth.get("pid")), _word(auth.get("offset")))


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_WORD else ""


class _BeginsAnew(Exception):
    """A client cannot be given all that it missed, and ``why``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Recovery:
    """Begins sessions, and takes them up again where nothing of what was missed is lost.

    ``may_join`` says whether a socket of this owner may be in a room, still; it may wait.
    ``on_taken`` is called with the sid of a socket that another host has, or had.
    """

    def __init__(
        self,
        rooms: RoomManager,
        history: History,
        sessions: SessionStore,
        deliveries: Deliveries,
        *,
        seconds: float,
        may_join: Callable[[SocketOwner, str], bool],
        on_taken: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._rooms = rooms
        self._history = history
        self._sessions = sessions
        self._seconds = seconds
        self._may_join = may_join
        self.on_taken = on_taken
        self._catch_up = CatchUp(rooms, history, deliveries)
        self._here: dict[str, Member] = {}
        self.counts: Counter[str] = Counter()
        """How many sessions were recovered, and how many were not, by the reason."""

        self._wanted = WantedApps(history.seconds)
        rooms.on_left = self._left
        rooms.on_changed = self._stored
        rooms.latest = lambda: history.latest

    def let_in(self, sid: str, auth: JsonValue) -> None:
        """Connect ``sid``, which is admitted, in the way that its client has asked for."""
        member, wish = self._rooms.member(sid), Wish.of(auth)
        if member is None:
            return
        if wish is None:
            self._rooms.greet(member)
            self._rooms.connect(sid, NAMESPACE)
        elif not wish.pid or not self._recover(member, wish):
            self._begin(member)

    def is_here(self, auth: JsonValue) -> bool:
        """Say whether who sends ``auth`` has a socket here, which it would take over."""
        wish = Wish.of(auth)
        return wish is not None and wish.pid in self._here

    def is_wanted(self, app_id: str) -> bool:
        """Say whether anybody may come back for an event of this app, here."""
        return self._wanted.is_wanted(app_id)

    def seen(self) -> JsonObject:
        """Return what is kept and what came of it, for who asks whether Herald is well."""
        refused: JsonObject = {why: count for why, count in self.counts.items() if why != RECOVERED}
        return {
            "events": len(self._history),
            "bytes": self._history.size,
            "eventsGivenUp": self._history.given_up,
            "sessions": self._sessions.kept,
            "sessionsGivenUp": self._sessions.given_up,
            "recovered": self.counts[RECOVERED],
            "refused": refused,
            "cutOff": self._catch_up.counts["cut off"],
        }

    def taken(self, sid: str) -> None:
        """End the socket ``sid``, whose client has come back on another host."""
        self._sessions.release(sid)
        member = self._rooms.member(sid)
        if member is not None and self._here.get(member.pid) is member:
            self._end(member)

    def hold_all(self) -> None:
        """Hold the sessions of all sockets that are connected, for the case that this host dies."""
        for number, member in enumerate(list(self._here.values()), 1):
            if self._here.get(member.pid) is member:
                self._sessions.hold(self._session_of(member))
            if not number % KEPT_A_TURN:
                eventlet.sleep(0)

    def _begin(self, member: Member) -> None:
        """Give ``member`` a session of its own."""
        if not self._is_connected(member):
            return
        member.pid = secrets.token_urlsafe(PID_BYTES)
        self._have(member, self._history.head)
        self._rooms.greet(member)
        self._rooms.tell(member, RECOVERY, {"seconds": self._seconds}, self._history.head)
        self._rooms.connect(member.sid, NAMESPACE)
        self._stored(member)

    def _have(self, member: Member, seen: str) -> None:
        self._here[member.pid] = member
        self._wanted.begin(member.admitted.app_id)
        member.connection.seen = Seen(seen, partial(self._head_of, member))

    def _head_of(self, member: Member) -> str:
        """Return up to where everything has been sent to ``member``; empty where it is not sure."""
        is_sure = member.connected and not self._rooms.is_sending
        return self._history.head if is_sure else ""

    def _recover(self, member: Member, wish: Wish) -> bool:
        """Take a session up again, all of it or not at all; say whether it is settled."""
        held = self._here.get(wish.pid)
        try:
            session = self._find(member, wish.pid, held)
            rooms = {
                room: joined
                for room, joined in session.rooms.items()
                if self._may_join(member.admitted, room)
            }
            offset = self._offset_of(session, wish)
            if not self._is_connected(member):
                return True
            if self._here.get(wish.pid) is not held:
                return self._refuse("taken meanwhile")
            self._check_all_is_here(session, offset)
        except _BeginsAnew as anew:
            return self._refuse(anew.why)
        self._take(member, session, rooms, offset)
        self._catch_up.run(member, offset)
        return True

    def _find(self, member: Member, pid: str, held: Member | None) -> Session:
        """Return the session ``pid``, which has to be ``member``'s."""
        try:
            session = self._sessions.find(pid) if held is None else self._session_of(held)
        except SessionsOutOfReach:
            raise _BeginsAnew("sessions out of reach") from None
        if session is None:
            raise _BeginsAnew("unknown session")
        if session.claimant != Claimant.of(member.admitted):
            raise _BeginsAnew("another's session")
        return session

    def _refuse(self, why: str) -> bool:
        self.counts[why] += 1
        return False

    def _check_all_is_here(self, session: Session, offset: Offset) -> None:
        if self._history.after(session.claimant.app_id, offset, 1) is not None:
            return
        if self._history.is_ahead(offset):
            # Another host may have come so far, or this one on another try.
            raise _BeginsAnew("host is behind")
        self._sessions.forget(session.pid)
        raise _BeginsAnew("too old")

    def _take(
        self, member: Member, session: Session, rooms: Mapping[str, Offset], offset: Offset
    ) -> None:
        """Have ``member`` be the session's socket, and none besides it."""
        self.counts[RECOVERED] += 1
        held = self._here.get(session.pid)
        if held is not None:
            self._end(held)
        elif session.host != self._history.host:
            self.on_taken(session.sid)
        self._rooms.resume(member, session.sid, session.pid, rooms)
        self._have(member, str(offset))
        self._sessions.take(self._session_of(member), session.host)
        self._rooms.greet(member)

    def _end(self, member: Member) -> None:
        """End a socket whose session goes on elsewhere."""
        self._lose(member)
        self._rooms.disconnect(member.sid, NAMESPACE)
        self._rooms.server.eio.end_soon(member.connection, TAKEN_OVER)

    def _offset_of(self, session: Session, wish: Wish) -> Offset:
        """Return how far the client has come: what it says, and what it is known to have.

        Waits where this host has not come so far.
        """
        told, known = Offset.parse(wish.offset), Offset.parse(session.seen)
        if told is None or known is None:
            only = told or known
            if only is None:
                raise _BeginsAnew("no offset")
            return self._await(only)
        if not self._history.knows(told.epoch) and told.position <= known.position:
            # It has heard nothing for long, and has answered pings.
            return self._await(known)
        told, known = self._await(told), self._history.translate(known)
        return told if known is None else told.and_all_of(known)

    def _await(self, offset: Offset) -> Offset:
        """Return ``offset`` in the present epoch, when this host has come so far, or in time."""
        until = time.monotonic() + BEHIND_SECONDS
        while self._history.is_ahead(offset) and time.monotonic() < until:
            eventlet.sleep(BEHIND_LOOK)
        return self._history.translate(offset) or offset

    def _lose(self, member: Member) -> None:
        del self._here[member.pid]
        self._wanted.end(member.admitted.app_id)

    def _is_connected(self, member: Member) -> bool:
        # Anything may have come of it while something was waited for.
        return self._rooms.member(member.sid) is member and not member.connection.closing

    def _left(self, member: Member) -> None:
        """Keep the session of a socket that has gone, unless it has gone for good."""
        if not member.pid or self._here.get(member.pid) is not member:
            return
        self._lose(member)
        if member.for_good:
            self._sessions.forget(member.pid)
        else:
            self._sessions.keep(self._session_of(member))

    def _stored(self, member: Member) -> None:
        if self._sessions.outlives:
            self._sessions.hold(self._session_of(member))

    def _session_of(self, member: Member) -> Session:
        seen = member.connection.seen
        return Session(
            member.pid,
            member.sid,
            Claimant.of(member.admitted),
            dict(member.rooms),
            "" if seen is None else seen.offset,
            self._history.host,
        )
