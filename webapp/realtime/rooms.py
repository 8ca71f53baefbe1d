"""Which socket is in which room, and the handing of an event to them.

Rooms belong to an app: the room ``orders`` of one app and that of another are two rooms. Inside
they are told apart by a prefix with the app's id; a sid never contains the separator.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio import Manager
from socketio.packet import EVENT

from logger_lib import JsonObject

NAMESPACE = "/"


@dataclass(frozen=True, slots=True)
class SocketOwner:
    """On whose behalf a socket is connected. ``key_id`` is ``None`` where anyone may connect."""

    app_id: str
    key_id: str | None


class RoomManager(Manager):
    """The client manager of the Socket.IO server, knowing the rooms of each app."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[str, SocketOwner] = {}
        self._rooms_of: dict[str, set[str]] = {}
        self._keys_of: dict[str, set[str | None]] = {}

    @property
    def socket_count(self) -> int:
        """How many sockets were admitted and are still here."""
        return len(self._owners)

    def admit(self, sid: str, owner: SocketOwner) -> None:
        """Take ``sid`` in as a socket of ``owner``'s app; it gets events once it is connected."""
        self._owners[sid] = owner

    def owner_of(self, sid: str) -> SocketOwner:
        """Return on whose behalf ``sid`` is connected; ``KeyError`` where it is not admitted."""
        return self._owners[sid]

    def connect(self, sid: str, namespace: str) -> str:
        """Register ``sid`` as connected: from now on it hears what its app broadcasts."""
        connected = super().connect(sid, namespace)
        owner = self._owners.get(connected)
        if owner is not None:
            self.enter_room(connected, namespace, _everyone(owner.app_id))
        return connected

    def join(self, sid: str, room: str) -> None:
        """Put ``sid`` into ``room`` of its app; again is no error."""
        key = _room_key(self.owner_of(sid).app_id, room)
        self.enter_room(sid, NAMESPACE, key)
        self._rooms_of.setdefault(sid, set()).add(room)

    def leave(self, sid: str, room: str) -> None:
        """Take ``sid`` out of ``room`` of its app; out already is no error."""
        self.leave_room(sid, NAMESPACE, _room_key(self.owner_of(sid).app_id, room))
        self._rooms_of.get(sid, set()).discard(room)

    def rooms_of(self, sid: str) -> frozenset[str]:
        """Return the rooms that ``sid`` has joined."""
        return frozenset(self._rooms_of.get(sid, ()))

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a connected socket, which must not pass for a room."""
        return name in self._owners

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
        packet = self._encode(event, data)
        delivered = []
        for sid, engine_sid in self._sockets_in(app_id, rooms):
            if sid not in excluded:
                self.server._send_eio_packet(engine_sid, packet)
                delivered.append(sid)
        return tuple(delivered)

    def _sockets_in(self, app_id: str, rooms: Sequence[str]) -> Iterable[tuple[str, str]]:
        keys = [_room_key(app_id, room) for room in rooms] or [_everyone(app_id)]
        return self.get_participants(NAMESPACE, keys)

    def _encode(self, event: str, data: JsonObject) -> EnginePacket:
        # Said to be free of binary data, or the packet would search all of it for some.
        packet = self.server.packet_class(EVENT, data=[event, data], binary=False)
        return EnginePacket(MESSAGE, packet.encode())

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        """Note beside the entry itself where ``sid`` has to be taken out when it goes."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._keys_of.setdefault(sid, set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take ``sid`` out of ``room``, and note it."""
        super().basic_leave_room(sid, namespace, room)
        self._keys_of.get(sid, set()).discard(room)

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: bool) -> None:  # noqa: ARG002 - python-socketio's signature
        """Forget ``sid`` and take it out of its rooms.

        Instead of python-socketio's, which searches all rooms of all sockets: a millisecond each
        with 10,000 of them, ten seconds when all go.
        """
        for room in self._keys_of.pop(sid, set()):
            self.basic_leave_room(sid, namespace, room)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace, [])
            if sid in waiting:
                waiting.remove(sid)
            if not waiting:
                pending.pop(namespace, None)
        self.callbacks.pop(sid, None)
        self._owners.pop(sid, None)
        self._rooms_of.pop(sid, None)


def _room_key(app_id: str, room: str) -> str:
    return f"{app_id}/{room}"


def _everyone(app_id: str) -> str:
    # Without a separator behind the id no room name can lead here.
    return f"{app_id}*"
