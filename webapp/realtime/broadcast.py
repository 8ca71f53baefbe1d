"""Handing one event to many connections: the work that Herald is measured by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import eventlet
from engineio.packet import Packet

from webapp.realtime.connection import Connection, to_frame

RECIPIENTS_A_TURN = 1000
"""How many sockets are served before others get their turn: about 5 ms of work."""


class Broadcasts:
    """Sends packets to many connections and lets others have their turn in between.

    Events keep their order at every socket all the same: one that comes later, and meets a socket
    that an earlier one has not reached yet, first hands it the earlier one.
    """

    def __init__(self, recipients_a_turn: int = RECIPIENTS_A_TURN) -> None:
        self._recipients_a_turn = recipients_a_turn
        self._under_way: list[_Broadcast] = []

    def send(self, packet: Packet, recipients: Mapping[str, Connection]) -> list[str]:
        """Send ``packet`` to ``recipients`` and return the sids of those that got it."""
        data = to_frame(packet)
        if len(recipients) <= self._recipients_a_turn:
            _send_first(self._under_way, recipients.values())
            return send_to(recipients.items(), packet, data)
        broadcast = _Broadcast(packet, data, dict(recipients), tuple(self._under_way))
        self._under_way.append(broadcast)
        try:
            while broadcast.send_some(self._recipients_a_turn):
                eventlet.sleep(0)
        finally:
            self._under_way.remove(broadcast)
        return broadcast.delivered


class _Broadcast:
    """One that takes several turns."""

    def __init__(
        self,
        packet: Packet,
        data: bytes,
        remaining: dict[str, Connection],
        earlier: tuple[_Broadcast, ...],
    ) -> None:
        self._packet = packet
        self._data = data
        self._remaining = remaining
        self._earlier = earlier
        self.delivered: list[str] = []

    @property
    def is_under_way(self) -> bool:
        """Whether sockets are still to be served."""
        return bool(self._remaining)

    def send_some(self, most: int) -> bool:
        """Serve ``most`` sockets, or those that there are; say whether more are waiting."""
        count = min(most, len(self._remaining))
        turn = [self._remaining.popitem() for _ in range(count)]
        # Turn by turn and not all at once: that would be as long a wait as one without turns.
        _send_first(self._earlier, [connection for _, connection in turn])
        self.delivered += send_to(turn, self._packet, self._data)
        return bool(self._remaining)

    def send_now(self, connection: Connection) -> None:
        """Serve ``connection`` before its turn, if it is still to be served."""
        sid = connection.socket_id
        if self._remaining.pop(sid, None) is not None:
            self.delivered += send_to([(sid, connection)], self._packet, self._data)


def _send_first(earlier: Iterable[_Broadcast], recipients: Iterable[Connection]) -> None:
    for broadcast in earlier:
        if broadcast.is_under_way:
            for connection in recipients:
                broadcast.send_now(connection)


def send_to(recipients: Iterable[tuple[str, Connection]], packet: Packet, data: bytes) -> list[str]:
    """Send ``packet``, of which ``data`` is the frame; return the sids of those that got it.

    Most sockets keep up: for them this is one system call, with nothing around it.
    """
    size = len(data)
    delivered = []
    for sid, connection in recipients:
        send = connection.direct
        if send is None:
            if not connection.send_shared(packet, data):
                continue
        else:
            try:
                sent = send(data)
            except OSError as error:
                if not connection.send_failed(data, error):
                    continue
            else:
                if sent != size:
                    connection.send_rest(data, sent)
        delivered.append(sid)
    return delivered
