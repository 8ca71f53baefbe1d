"""Handing one event to many connections: the work that Herald is measured by."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from engineio.packet import Packet

from webapp.realtime.connection import Connection, to_frame
from webapp.realtime.turns import Turns

TURN_SECONDS = 0.005
"""How long all broadcasts together may send before everybody else gets a turn."""

RECIPIENTS_A_LOOK = 250
"""How many sends there are between two looks at the clock: about a millisecond of work."""

BYTES_A_SEND = 4_096
"""What a send may have; a bigger one counts for as many as it has of these."""


class Broadcasts:
    """Sends packets to many connections, one event after the other, so that they keep their order.

    What takes longer than a turn goes on in the next one, and others have theirs in between.
    """

    def __init__(
        self,
        recipients_a_look: int = RECIPIENTS_A_LOOK,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._turns = Turns(TURN_SECONDS)
        self._recipients_a_look = recipients_a_look
        self._clock = clock
        self._under_way: list[_Broadcast] = []

    def send(self, packet: Packet, recipients: Mapping[str, Connection]) -> tuple[str, ...]:
        """Send ``packet`` to ``recipients`` and return the sids of those that got it."""
        data = to_frame(packet)
        at_once = self._recipients_a_look
        if len(data) > BYTES_A_SEND:
            at_once = at_once * BYTES_A_SEND // len(data) + 1
        if len(recipients) > at_once or not self._turns.are_free:
            return self._send_in_turns(packet, data, recipients, at_once)
        return _without(recipients, self._send_now(recipients.values(), packet, data))

    def _send_in_turns(
        self, packet: Packet, data: bytes, recipients: Mapping[str, Connection], at_once: int
    ) -> tuple[str, ...]:
        broadcast = _Broadcast(recipients)
        self._under_way.append(broadcast)
        try:
            self._turns.wait()
            while part := broadcast.next_part(at_once):
                broadcast.missed.update(self._send_now(part, packet, data))
                if broadcast.is_under_way:
                    self._turns.go_on()
        finally:
            self._under_way.remove(broadcast)
        return _without(broadcast.sids, broadcast.missed)

    def _send_now(
        self, connections: Iterable[Connection], packet: Packet, data: bytes
    ) -> list[str]:
        began = self._clock()
        missed = send_to(connections, packet, data)
        self._turns.spend(self._clock() - began)
        return missed

    def forget(self, sid: str) -> None:
        """Do not send to ``sid`` what has not reached it yet: it has left."""
        for broadcast in self._under_way:
            broadcast.left.add(sid)


class _Broadcast:
    """One that may take several turns, and whose recipients may leave meanwhile."""

    __slots__ = ("_connections", "_served", "left", "missed", "sids")

    def __init__(self, recipients: Mapping[str, Connection]) -> None:
        self.sids = tuple(recipients)
        self._connections = list(recipients.values())
        self._served = 0
        self.left: set[str] = set()
        self.missed: set[str] = set()

    @property
    def is_under_way(self) -> bool:
        """Whether connections are still to be served."""
        return self._served < len(self.sids)

    def next_part(self, most: int) -> list[Connection]:
        """Return the next connections to serve, or none at the end."""
        while self.is_under_way:
            begin, self._served = self._served, self._served + most
            part = self._connections[begin : self._served]
            if self.left:
                part = self._still_here(self.sids[begin : self._served], part)
            if part:
                return part
        return []

    def _still_here(self, sids: Sequence[str], part: Sequence[Connection]) -> list[Connection]:
        # A connection may have another sid by now, under which it has not asked for this event.
        left = self.left.intersection(sids)
        self.missed |= left
        pairs = zip(sids, part, strict=True)
        return [connection for sid, connection in pairs if sid not in left]


def send_to(connections: Iterable[Connection], packet: Packet, data: bytes) -> list[str]:
    """Send ``packet``, of which ``data`` is the frame; return the sids of those that missed it.

    Most sockets keep up: for them this is one system call, with nothing around it.
    """
    size = len(data)
    missed = []
    for connection in connections:
        send = connection.direct
        if send is None:
            if not connection.send_shared(packet, data):
                missed.append(connection.socket_id)
            continue
        try:
            sent = send(data)
        except OSError as error:
            if not connection.send_failed(data, error):
                missed.append(connection.socket_id)
        else:
            if sent != size:
                connection.send_rest(data, sent)
    return missed


def _without(sids: Iterable[str], missed: Collection[str]) -> tuple[str, ...]:
    return tuple(sid for sid in sids if sid not in missed) if missed else tuple(sids)
