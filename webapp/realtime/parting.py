"""The end, for good, of sockets whose key or token is over, or that somebody has ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import eventlet
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket

from logger_lib import JsonObject
from webapp.errors import envelope
from webapp.realtime.members import Member, SocketOwner
from webapp.realtime.rooms import NAMESPACE, RoomManager

ENDED = "herald.ended"
"""The event that tells a socket why it is disconnected: the packet that does it cannot."""

KEY_REVOKED, TOKEN_EXPIRED, DISCONNECTED = "key_revoked", "token_expired", "disconnected"
"""The codes of its error."""

ENDS_A_TURN = 100
"""How many sockets are ended before others get their turn."""


class Parting:
    """Ends sockets so that their clients do not come back by themselves."""

    def __init__(self, rooms: RoomManager) -> None:
        self._rooms = rooms
        self.ended = 0
        """How many sockets were ended for good."""

    def keys_in_use(self) -> frozenset[str]:
        """Return the ids of the keys of all open sockets."""
        return self._rooms.keys_in_use()

    def part_with(self, key_ids: Collection[str]) -> None:
        """End the sockets of these keys."""
        self._end_all(
            self._rooms.sids(),
            lambda owner: owner.key_id in key_ids,
            envelope(KEY_REVOKED, "the API key was revoked or has expired: connect with another"),
        )

    def part_with_expired(self, now: float) -> None:
        """End the sockets whose room token is over at ``now``, Unix time."""
        self._end_all(
            self._rooms.with_expired_tokens(now),
            lambda owner: owner.claims is not None and owner.claims.expires_at <= now,
            envelope(TOKEN_EXPIRED, "the room token has expired: connect with another"),
        )

    def part_with_socket(self, app_id: str, sid: str) -> bool:
        """End the socket ``sid`` of an app; returns whether it is here."""
        member = self._rooms.member(sid)
        if member is None or member.owner is None or member.owner.app_id != app_id:
            return False
        why = envelope(DISCONNECTED, "who runs this app has disconnected this socket")
        return self._end(member, self._told(why))

    def _told(self, why: JsonObject) -> EnginePacket:
        return EnginePacket(MESSAGE, self._rooms.encode(ENDED, why))

    def _end_all(
        self, sids: Sequence[str], is_over: Callable[[SocketOwner], bool], why: JsonObject
    ) -> None:
        told = self._told(why)
        ended = 0
        for sid in sids:
            # Anything may have come of it in the turn that the others had.
            member = self._rooms.member(sid)
            if member is None or member.owner is None or not is_over(member.owner):
                continue
            try:
                self._end(member, told)
            except Exception:
                # This one must not keep the others from ending.
                self._rooms.server.eio.logger.exception("ending a socket")
            ended += 1
            if not ended % ENDS_A_TURN:
                eventlet.sleep(0)

    def _end(self, member: Member, told: EnginePacket) -> bool:
        is_connected = self._rooms.is_connected(member.sid, NAMESPACE)
        if not is_connected and not member.catches_up:
            return False
        self.ended += 1
        member.for_good = True
        member.connection.send(told)
        if is_connected:
            self._rooms.server.disconnect(member.sid)
        else:
            self._rooms.end_of(member)
        # Not closed here: the client would take that for the reason, and come back.
        self._rooms.server.eio.await_login(member.connection.sid)
        return True
