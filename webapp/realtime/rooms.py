"""Which socket is in which room.

Rooms belong to an app: the room ``orders`` of one app and that of another are two rooms, kept in
two tables. Each socket knows its rooms, so that leaving costs what its own rooms cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio import Manager
from socketio.packet import CONNECT, DISCONNECT, EVENT

from logger_lib import JsonObject
from webapp.realtime.app_sockets import AppSockets, Recipients
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.expiry import Expiries
from webapp.realtime.members import Member, SocketOwner
from webapp.realtime.offsets import NOWHERE, Offset, with_offset

if TYPE_CHECKING:
    from webapp.realtime.server import GatewayServer

NAMESPACE = "/"


class RoomManager(Manager):
    """The client manager of the Socket.IO server, with tables of our own.

    The base class keeps a room for every socket and looks through all rooms when one leaves.
    """

    server: GatewayServer

    def __init__(self, broadcasts: Broadcasts) -> None:
        super().__init__()
        self._broadcasts = broadcasts
        self._members: dict[str, Member] = {}
        self._sids: dict[str, str] = {}
        self._apps: dict[str, AppSockets] = {}
        self._expiries = Expiries()
        self._admitted = 0
        self.on_left: Callable[[Member], None] = lambda _: None
        self.on_changed: Callable[[Member], None] = lambda _: None
        """Called when one with a session has joined or left a room."""

        self.on_moved: Callable[[Member, str, bool], None] = lambda *_: None
        """Called when one that is connected has come into a room (``True``) or is out of it, also
        because it connects or ends. It must not wait."""

        self.latest: Callable[[], Offset] = lambda: NOWHERE
        """The offset of who has had all until now."""

    @property
    def socket_count(self) -> int:
        """How many sockets were admitted and are still here."""
        return self._admitted

    @property
    def room_count(self) -> int:
        """How many rooms there are, of all apps."""
        return sum(app.room_count for app in self._apps.values())

    @property
    def deliveries(self) -> int:
        """How many times a socket was given an event, since the process started."""
        return self._broadcasts.deliveries

    @property
    def is_sending(self) -> bool:
        """Whether there are sockets that have not been sent yet what was handed to them."""
        return self._broadcasts.are_under_way

    def member(self, sid: str) -> Member | None:
        """Return the socket ``sid``, if it is here."""
        return self._members.get(sid)

    def sids(self) -> list[str]:
        """Return the ids of all sockets."""
        return list(self._members)

    def with_expired_tokens(self, now: float) -> list[str]:
        """Return the sids of those whose room token is over at ``now``, Unix time."""
        return self._expiries.due(now)

    def admit(self, sid: str, owner: SocketOwner) -> None:
        """Take ``sid`` in as a socket of ``owner``'s app; it gets events once it is connected."""
        member = self._members[sid]
        self._admitted += member.owner is None
        member.owner = owner
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
        app = self._apps[self.owner_of(sid).app_id]
        app.join(room, sid, member.connection, recovers=bool(member.pid))
        if room not in member.rooms:
            member.rooms[room] = self.latest()
            if member.connected:
                self._came(member, room)
        if member.pid:
            self.on_changed(member)

    def _came(self, member: Member, room: str) -> None:
        member.since[room] = time.time()
        self.on_moved(member, room, True)

    def leave(self, sid: str, room: str) -> None:
        """Take ``sid`` out of ``room`` of its app; out already is no error."""
        member = self._members[sid]
        if room in member.rooms:
            del member.rooms[room]
            self._apps[self.owner_of(sid).app_id].leave(room, sid, recovers=bool(member.pid))
            if member.since.pop(room, None) is not None:
                self.on_moved(member, room, False)
            if member.pid:
                self.on_changed(member)

    def leaves_for_good(self, sid: str | None) -> None:
        """Take note that ``sid``, which is about to leave, does not come back."""
        member = self._members.get(sid) if sid is not None else None
        if member is not None:
            member.for_good = True

    def rooms_of(self, sid: str) -> frozenset[str]:
        """Return the rooms that ``sid`` has joined."""
        return frozenset(self._members[sid].rooms)

    def sockets_of(self, app_id: str) -> AppSockets:
        """Return the sockets of an app: for reading, in one turn of the loop."""
        return self._apps.get(app_id) or AppSockets()

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say whether a socket is in ``room`` of this app."""
        app = self._apps.get(app_id)
        return app is not None and app.is_anybody_in(room)

    def apps_with(self, room: str) -> list[str]:
        """Return the apps of which a socket is in ``room``."""
        return [app_id for app_id, app in self._apps.items() if app.is_anybody_in(room)]

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a socket, which must not pass for a room."""
        return name in self._members

    def keys_in_use(self) -> frozenset[str]:
        """Return the ids of the keys of all open sockets."""
        owners = (member.owner for member in self._members.values())
        return frozenset(owner.key_id for owner in owners if owner and owner.key_id)

    def resume(self, member: Member, sid: str, pid: str, rooms: Mapping[str, Offset]) -> None:
        """Have ``member``, which is not connected yet, be the socket ``sid``, to be in ``rooms``.

        No other socket has that id.
        """
        owner = self.owner_of(member.sid)
        self._forget_expiry(owner, member.sid)
        del self._members[member.sid]
        self._members[sid] = member
        self._sids[member.connection.sid] = member.connection.socket_id = member.sid = sid
        member.pid, member.rooms = pid, dict(rooms)
        self.admit(sid, owner)

    def greet(self, member: Member) -> None:
        """Tell the client of ``member`` that it is connected, and the name of its session."""
        data: JsonObject = {"sid": member.sid}
        if member.pid:
            data["pid"] = member.pid
        packet = self.server.packet_class(CONNECT, data=data, namespace=NAMESPACE)
        member.connection.send(EnginePacket(MESSAGE, packet.encode()))

    def end_of(self, member: Member) -> None:
        """End ``member``, which is not connected yet, as the server ends those that are."""
        packet = self.server.packet_class(DISCONNECT, namespace=NAMESPACE)
        member.connection.send(EnginePacket(MESSAGE, packet.encode()))
        self.disconnect(member.sid, NAMESPACE)

    def tell(self, member: Member, event: str, data: JsonObject, offset: str) -> None:
        """Send ``member`` alone an event that is not kept."""
        packet = with_offset(self.encode(event, data), offset)
        member.connection.send(EnginePacket(MESSAGE, packet))

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
        plain, recovering = self.recipients(app_id, rooms, excluded)
        if not plain and not recovering:
            return ()
        packet = EnginePacket(MESSAGE, self.encode(event, data))
        return self._broadcasts.send([(packet, plain), (packet, recovering)])

    def encode(self, event: str, data: JsonObject) -> str:
        """Return the Socket.IO packet of an event."""
        # Said to be free of binary data, or the packet would search all of it for some.
        return self.server.packet_class(EVENT, data=[event, data], binary=False).encode()

    def send(
        self,
        app_id: str,
        packet: str,
        offset: str,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand the ``packet`` of an event to the sockets in any of ``rooms``, or to all of the app.

        Returns their sids. Sockets that recover get ``offset`` with it. Who the recipients are is
        settled before others have their turn.
        """
        plain, recovering = self.recipients(app_id, rooms, excluded)
        packets: list[tuple[EnginePacket, Recipients]] = []
        if plain:
            packets.append((EnginePacket(MESSAGE, packet), plain))
        if recovering:
            packets.append((EnginePacket(MESSAGE, with_offset(packet, offset)), recovering))
        return self._broadcasts.send(packets)

    def recipients(
        self, app_id: str, rooms: Sequence[str], excluded: Collection[str]
    ) -> tuple[Recipients, Recipients]:
        """Return who gets an event: sockets that do not recover, and sockets that do."""
        app = self._apps.get(app_id)
        return ({}, {}) if app is None else app.sockets_in(rooms, excluded)

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
        self._members[sid] = Member(sid, connection)
        return sid

    def connect(self, sid: str, namespace: str) -> str:
        """Register ``sid`` as connected: from now on it hears what its app broadcasts."""
        member = self._members[sid]
        member.connected, member.connected_at = True, time.time()
        app = self._apps.setdefault(self.owner_of(sid).app_id, AppSockets())
        app.add(sid, member.connection, recovers=bool(member.pid))
        for room in member.rooms:
            app.join(room, sid, member.connection, recovers=bool(member.pid))
        for room in member.rooms:
            self._came(member, room)
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
        if member.owner is not None:
            self._take_out(member, member.owner)
            self.on_left(member)

    def _take_out(self, member: Member, owner: SocketOwner) -> None:
        self._admitted -= 1
        self._forget_expiry(owner, member.sid)
        if not member.connected:
            return
        app_id = owner.app_id
        self._apps[app_id].remove(member.sid, member.rooms, recovers=bool(member.pid))
        if not self._apps[app_id]:
            del self._apps[app_id]
        for room in member.rooms:
            self.on_moved(member, room, False)
