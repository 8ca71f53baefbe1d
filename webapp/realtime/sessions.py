"""Sessions: what is known of a socket whose client may come back for what it missed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from webapp.realtime.members import SocketOwner
from webapp.realtime.offsets import Offset

MAX_SESSIONS = 100_000
"""How many are kept in memory of those that are away; the one that was first is given up first."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who may come back to a session: the same app with the same key, or the same subject."""

    app_id: str
    name: str | None
    """The key's id, or what the room token has as its subject."""

    by_room_token: bool

    @classmethod
    def of(cls, owner: SocketOwner) -> Claimant:
        """Return whom a socket of ``owner`` passes for."""
        if owner.claims is None:
            return cls(owner.app_id, owner.key_id, by_room_token=False)
        return cls(owner.app_id, owner.claims.subject, by_room_token=True)


@dataclass(frozen=True, slots=True)
class Session:
    """One client's."""

    pid: str
    """Its name, which only the client knows."""

    sid: str
    claimant: Claimant
    rooms: Mapping[str, Offset]
    """Each with the offset of what was published before it was joined."""

    seen: str
    """The offset up to which the client has certainly got everything."""

    host: str
    """The one that has, or had, its socket."""


class SessionsOutOfReach(Exception):
    """What keeps the sessions has not answered: whether one is there nobody can say just now."""


class SessionStore(Protocol):
    """Where sessions are kept while their clients are away."""

    outlives: bool
    """Whether they outlive this process, so that those of connected sockets are to be kept too."""

    given_up: int
    """How many were given up before their time, as there was no room."""

    @property
    def kept(self) -> int:
        """How many are in the memory of this process."""
        ...

    def keep(self, session: Session) -> None:
        """Keep ``session``, whose client is away, for its time; not what another host has taken."""
        ...

    def hold(self, session: Session) -> None:
        """Keep ``session``, whose socket is connected, for as long as its host should live.

        Its time begins when the host dies. This has to be said anew from time to time.
        """
        ...

    def take(self, session: Session, held_by: str) -> None:
        """Hold ``session``, which is its ``host``'s from now on, and was that of ``held_by``."""
        ...

    def find(self, pid: str) -> Session | None:
        """Return the session ``pid``, if it is there; may wait.

        Raises ``SessionsOutOfReach`` where that cannot be said.
        """
        ...

    def release(self, sid: str) -> None:
        """Take note that another host has taken over the session of the socket ``sid``."""
        ...

    def forget(self, pid: str) -> None:
        """Give a session up: nobody comes back to it."""
        ...


class MemorySessions:
    """Sessions for a single process: of clients that are away, for ``seconds``."""

    outlives = False

    def __init__(
        self,
        seconds: float,
        *,
        most: int = MAX_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._pids: dict[str, str] = {}
        self.given_up = 0
        """How many were given up before their time, as there was no room."""

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    @property
    def kept(self) -> int:
        """How many there are, less those whose time is over."""
        self._drop_old()
        return len(self)

    def keep(self, session: Session) -> None:
        """Keep ``session`` from now on for its time."""
        self._kept[session.pid] = (self._clock() + self._seconds, session)
        self._kept.move_to_end(session.pid)
        self._pids[session.sid] = session.pid
        self._drop_old()
        if len(self._kept) > self._most:
            self._drop_oldest()
            self.given_up += 1

    def hold(self, session: Session) -> None:
        """Do nothing: the socket has all of it, and both end together."""

    def take(self, session: Session, held_by: str) -> None:
        """Forget ``session``, whose client is back: its socket has all of it."""
        del held_by
        self.forget(session.pid)

    def find(self, pid: str) -> Session | None:
        """Return the session ``pid``, if its time is not over."""
        self._drop_old()
        found = self._kept.get(pid)
        return None if found is None else found[1]

    def forget(self, pid: str) -> None:
        """Give a session up."""
        found = self._kept.pop(pid, None)
        if found is not None:
            self._pids.pop(found[1].sid, None)

    def pid_of(self, sid: str) -> str | None:
        """Return the name of the session of the socket ``sid``, if it is kept."""
        return self._pids.get(sid)

    def release(self, sid: str) -> None:
        """Give up the session of the socket ``sid``: another process has it."""
        pid = self._pids.get(sid)
        if pid is not None:
            self.forget(pid)

    def _drop_old(self) -> None:
        now = self._clock()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, session) = self._kept.popitem(last=False)
        self._pids.pop(session.sid, None)
