"""Which socket is in which room.

Rooms belong to an app: the room ``orders`` of one app and that of another are two rooms, kept in
two tables. Each socket knows its rooms, so that leaving costs what its own rooms cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import eventlet
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio import Manager
from socketio.packet import EVENT

from logger_lib import JsonObject
from webapp.access.room_tokens import RoomClaims
from webapp.errors import envelope
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.connection import Connection
from webapp.realtime.expiry import Expiries

if TYPE_CHECKING:
    from webapp.realtime.server import GatewayServer

NAMESPACE = "/"

ENDED = "herald.ended"
"""The event that tells a socket why it is disconnected: the packet that does it cannot."""

KEY_REVOKED, TOKEN_EXPIRED = "key_revoked", "token_expired"
"""The codes of its error."""

ENDS_A_TURN = 100
"""How many sockets are ended before others get their turn."""


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
class _Member:
    """One socket in the namespace."""

    sid: str
    connection: Connection
    owner: SocketOwner | None = None
    connected: bool = False
    leaving: bool = False
    rooms: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _App:
    """The sockets of one app, all of them and by room."""

    everyone: dict[str, Connection] = field(default_factory=dict)
    rooms: dict[str, dict[str, Connection]] = field(default_factory=dict)


class RoomManager(Manager):
    """The client manager of the Socket.IO server, with tables of our own.

    The base class keeps a room for every socket and looks through all rooms when one leaves.
    """

    server: GatewayServer

    def __init__(self, broadcasts: Broadcasts) -> None:
        super().__init__()
        self._broadcasts = broadcasts
        self._members: dict[str, _Member] = {}
        self._sids: dict[str, str] = {}
        self._apps: dict[str, _App] = {}
        self._expiries = Expiries()
        self.ended = 0
        """How many sockets were ended for good, as their key or token was over."""

    @property
    def socket_count(self) -> int:
        """How many sockets were admitted and are still here."""
        return sum(len(app.everyone) for app in self._apps.values())

    def admit(self, sid: str, owner: SocketOwner) -> None:
        """Take ``sid`` in as a socket of ``owner``'s app; it gets events once it is connected."""
        self._members[sid].owner = owner
        if owner.claims is not None:
            self._expiries.add(sid, owner.claims.expires_at)

    def renew(self, sid: str, owner: SocketOwner) -> list[str]:
        """Have ``sid`` be connected on behalf of ``owner``, of the same app, from now on.

        Returns the rooms that it is taken out of, as the room token does not allow them.
        """
        self._forget_expiry(self.owner_of(sid), sid)
        self.admit(sid, owner)
        rooms = self.rooms_of(sid)
        lost = sorted(room for room in rooms if owner.claims and not owner.claims.allows(room))
        for room in lost:
            self.leave(sid, room)
        return lost

    def _forget_expiry(self, owner: SocketOwner, sid: str) -> None:
        if owner.claims is not None:
            self._expiries.remove(sid, owner.claims.expires_at)

    def owner_of(self, sid: str) -> SocketOwner:
        """Return on whose behalf ``sid`` is connected; ``KeyError`` where it is not admitted."""
        owner = self._members[sid].owner
        if owner is None:
            raise KeyError(sid)
        return owner

    def join(self, sid: str, room: str) -> None:
        """Put ``sid`` into ``room`` of its app; again is no error."""
        member = self._members[sid]
        rooms = self._apps[self.owner_of(sid).app_id].rooms
        rooms.setdefault(room, {})[sid] = member.connection
        member.rooms.add(room)

    def leave(self, sid: str, room: str) -> None:
        """Take ``sid`` out of ``room`` of its app; out already is no error."""
        member = self._members[sid]
        if room in member.rooms:
            member.rooms.remove(room)
            self._remove(self.owner_of(sid).app_id, room, sid)

    def rooms_of(self, sid: str) -> frozenset[str]:
        """Return the rooms that ``sid`` has joined."""
        return frozenset(self._members[sid].rooms)

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a socket, which must not pass for a room."""
        return name in self._members

    def keys_in_use(self) -> frozenset[str]:
        """Return the ids of the keys of all open sockets."""
        owners = (member.owner for member in self._members.values())
        return frozenset(owner.key_id for owner in owners if owner and owner.key_id)

    def part_with(self, key_ids: Collection[str]) -> None:
        """End the sockets of these keys for good: their clients do not come back by themselves."""
        self._end_all(
            list(self._members),
            lambda owner: owner.key_id in key_ids,
            envelope(KEY_REVOKED, "the API key was revoked or has expired: connect with another"),
        )

    def part_with_expired(self, now: float) -> None:
        """End the sockets whose room token is over at ``now``, Unix time, for good."""
        self._end_all(
            self._expiries.due(now),
            lambda owner: owner.claims is not None and owner.claims.expires_at <= now,
            envelope(TOKEN_EXPIRED, "the room token has expired: connect with another"),
        )

    def _end_all(
        self, sids: Sequence[str], is_over: Callable[[SocketOwner], bool], why: JsonObject
    ) -> None:
        packet = self.server.packet_class(EVENT, data=[ENDED, why], binary=False)
        told = EnginePacket(MESSAGE, packet.encode())
        ended = 0
        for sid in sids:
            # Anything may have come of it in the turn that the others had.
            member = self._members.get(sid)
            if member is None or member.owner is None or not is_over(member.owner):
                continue
            try:
                self._end(member, told)
            except Exception:
                # This one must not keep the others from ending.
                self.server.eio.logger.exception("ending a socket")
            ended += 1
            if not ended % ENDS_A_TURN:
                eventlet.sleep(0)

    def _end(self, member: _Member, told: EnginePacket) -> None:
        if not self.is_connected(member.sid, NAMESPACE):
            return
        self.ended += 1
        member.connection.send(told)
        self.server.disconnect(member.sid)
        # Not closed here: the client would take that for the reason, and come back.
        self.server.eio.await_login(member.connection.sid)

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand an event to the sockets in any of ``rooms``, or to all of the app.

        Returns their sids. A socket in several of the rooms gets the event once. The packet is
        encoded once for all.
        """
        recipients = self._sockets_in(app_id, rooms)
        if excluded:
            recipients = {
                sid: connection for sid, connection in recipients.items() if sid not in excluded
            }
        if not recipients:
            return ()
        # Said to be free of binary data, or the packet would search all of it for some.
        packet = self.server.packet_class(EVENT, data=[event, data], binary=False)
        return self._broadcasts.send(EnginePacket(MESSAGE, packet.encode()), recipients)

    def _sockets_in(self, app_id: str, rooms: Sequence[str]) -> Mapping[str, Connection]:
        app = self._apps.get(app_id)
        if app is None:
            return {}
        if not rooms:
            return app.everyone
        if len(rooms) == 1:
            return app.rooms.get(rooms[0], {})
        merged: dict[str, Connection] = {}
        for room in rooms:
            merged.update(app.rooms.get(room, {}))
        return merged

    def _remove(self, app_id: str, room: str, sid: str) -> None:
        rooms = self._apps[app_id].rooms
        del rooms[room][sid]
        if not rooms[room]:
            del rooms[room]

    # What the Socket.IO server asks of its manager, answered from our tables.

    def get_namespaces(self) -> list[str]:
        """Return the one namespace that there is."""
        return [NAMESPACE]

    def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """Give the connection its socket id; ``None`` where it has one already."""
        connection = self.server.eio.sockets.get(eio_sid)
        if connection is None or eio_sid in self._sids:
            return None
        sid: str = self.server.eio.generate_id()
        connection.socket_id = sid
        self._sids[eio_sid] = sid
        self._members[sid] = _Member(sid, connection)
        return sid

    def connect(self, sid: str, namespace: str) -> str:
        """Register ``sid`` as connected: from now on it hears what its app broadcasts."""
        member = self._members[sid]
        member.connected = True
        app = self._apps.setdefault(self.owner_of(sid).app_id, _App())
        app.everyone[sid] = member.connection
        return sid

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        """Say whether ``sid`` is connected, and not about to leave."""
        member = self._members.get(sid) if sid is not None else None
        return member is not None and member.connected and not member.leaving

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the socket id of a connection; in another namespace it has none."""
        return self._sids.get(eio_sid) if namespace == NAMESPACE else None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the connection id of a socket."""
        member = self._members.get(sid)
        return None if member is None else member.connection.sid

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """Mark ``sid`` as leaving, while its handlers run."""
        self._members[sid].leaving = True
        return self.eio_sid_from_sid(sid, namespace)

    def disconnect(self, sid: str, namespace: str, **kwargs: bool) -> None:
        """Forget ``sid`` and take it out of its rooms, and out of what is on its way to it."""
        member = self._members.pop(sid, None)
        if member is None:
            return
        self._broadcasts.forget(sid)
        self._sids.pop(member.connection.sid, None)
        if member.owner is None:
            return
        self._forget_expiry(member.owner, sid)
        if not member.connected:
            return
        app_id = member.owner.app_id
        for room in member.rooms:
            self._remove(app_id, room, sid)
        del self._apps[app_id].everyone[sid]
        if not self._apps[app_id].everyone:
            del self._apps[app_id]
