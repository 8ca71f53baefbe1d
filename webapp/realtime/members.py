"""One socket in the namespace, and on whose behalf it is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from webapp.access.room_tokens import RoomClaims
from webapp.realtime.connection import Connection
from webapp.realtime.offsets import Offset


@dataclass(frozen=True, slots=True)
class SocketOwner:
    """On whose behalf a socket is connected. ``key_id`` is ``None`` where anyone may connect.

    With a room token it is the key that the token was made with.
    """

    app_id: str
    key_id: str | None
    claims: RoomClaims | None = None
    """Those of its room token; ``None`` where it may join every room of its app."""


@dataclass(slots=True, eq=False)
class Member:
    """One socket in the namespace."""

    sid: str
    connection: Connection
    owner: SocketOwner | None = None
    connected: bool = False
    connected_at: float = 0.0
    """When it was connected, in Unix seconds: for who comes back, when it did."""

    leaving: bool = False
    for_good: bool = False
    """Whether it leaves so that it cannot come back for what it missed."""

    pid: str = ""
    """The name of its session, which it can come back to; empty where it has none."""

    rooms: dict[str, Offset] = field(default_factory=dict)
    """Each with the offset of what was published before it joined."""

    since: dict[str, float] = field(default_factory=dict)
    """When it came into each of its rooms, in Unix seconds: for who comes back, when it did."""

    @property
    def catches_up(self) -> bool:
        """Whether its client has come back, and is still given what it missed."""
        return bool(self.pid) and not self.connected and not self.leaving

    @property
    def admitted(self) -> SocketOwner:
        """Its owner; raises ``LookupError`` where it is not admitted."""
        if self.owner is None:
            raise LookupError(self.sid)
        return self.owner
