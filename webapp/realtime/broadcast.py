"""Handing one event to many connections: the work that Herald is measured by."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from engineio.packet import Packet

from webapp.realtime.app_sockets import Recipients
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
        self.deliveries = 0
        """How many sockets got a packet, one after the other counted."""

    @property
    def are_under_way(self) -> bool:
        """Whether some have recipients still to be served."""
        return bool(self._under_way)

    def send(self, parts: Iterable[tuple[Packet, Recipients]]) -> tuple[str, ...]:
        """Send each packet to its recipients and return the sids of those that got one.

        Together they are one event: no other comes in between, and who the recipients are is
        settled at once.
        """
        sids = self._send(parts)
        self.deliveries += len(sids)
        return sids

    def _send(self, parts: Iterable[tuple[Packet, Recipients]]) -> tuple[str, ...]:
        shares = [_Share(packet, recipients) for packet, recipients in parts if recipients]
        if len(shares) == 1 and self._fits_now(shares[0]):
            # What most events are: worth a way of its own.
            return self._send_now(shares[0])
        if not shares:
            return ()
        at_once = min(map(self._most_at_once, shares))
        if not self._turns.are_free or sum(map(len, shares)) > at_once:
            return self._send_in_turns([_Broadcast(share) for share in shares], at_once)
        return tuple(itertools.chain.from_iterable(map(self._send_now, shares)))

    def _fits_now(self, share: _Share) -> bool:
        return len(share) <= self._most_at_once(share) and self._turns.are_free

    def _most_at_once(self, share: _Share) -> int:
        size = len(share.data)
        if size <= BYTES_A_SEND:
            return self._recipients_a_look
        return self._recipients_a_look * BYTES_A_SEND // size + 1

    def _send_now(self, share: _Share) -> tuple[str, ...]:
        return _without(share.recipients, self._send_to(share.recipients.values(), share))

    def _send_in_turns(self, broadcasts: list[_Broadcast], at_once: int) -> tuple[str, ...]:
        self._under_way.extend(broadcasts)
        try:
            self._turns.wait()
            for broadcast in broadcasts:
                while part := broadcast.next_part(at_once):
                    broadcast.missed.update(self._send_to(part, broadcast.share))
                    if broadcast.is_under_way or broadcast is not broadcasts[-1]:
                        self._turns.go_on()
        finally:
            for broadcast in broadcasts:
                self._under_way.remove(broadcast)
        sids: tuple[str, ...] = ()
        for broadcast in broadcasts:
            sids += _without(broadcast.sids, broadcast.missed)
        return sids

    def _send_to(self, connections: Iterable[Connection], share: _Share) -> list[str]:
        began = self._clock()
        missed = send_to(connections, share.packet, share.data)
        self._turns.spend(self._clock() - began)
        return missed

    def forget(self, sid: str) -> None:
        """Do not send to ``sid`` what has not reached it yet: it has left."""
        for broadcast in self._under_way:
            broadcast.left.add(sid)


class _Share:
    """A packet with its frame, for those recipients of an event that are sent the same."""

    __slots__ = ("data", "packet", "recipients")

    def __init__(self, packet: Packet, recipients: Recipients) -> None:
        self.packet = packet
        self.data = to_frame(packet)
        self.recipients = recipients

    def __len__(self) -> int:
        return len(self.recipients)


class _Broadcast:
    """One that may take several turns, and whose recipients may leave meanwhile."""

    __slots__ = ("_connections", "_served", "left", "missed", "share", "sids")

    def __init__(self, share: _Share) -> None:
        self.share = share
        self.sids = tuple(share.recipients)
        self._connections = list(share.recipients.values())
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
