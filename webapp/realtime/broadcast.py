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

    def __init__(self) -> None:
        self._under_way: list[_Broadcast] = []

    def send(self, packet: Packet, recipients: Mapping[str, Connection]) -> list[str]:
        """Send ``packet`` to ``recipients`` and return the sids of those that got it."""
        data = to_frame(packet)
        if self._under_way:
            self._send_earlier(recipients.values())
        if len(recipients) <= RECIPIENTS_A_TURN:
            return send_to(recipients.items(), packet, data)
        broadcast = _Broadcast(packet, data, dict(recipients))
        self._under_way.append(broadcast)
        try:
            while broadcast.send_some():
                eventlet.sleep(0)
        finally:
            self._under_way.remove(broadcast)
        return broadcast.delivered

    def _send_earlier(self, recipients: Iterable[Connection]) -> None:
        for connection in recipients:
            for broadcast in self._under_way:
                broadcast.send_now(connection)


class _Broadcast:
    """One that takes several turns."""

    def __init__(self, packet: Packet, data: bytes, remaining: dict[str, Connection]) -> None:
        self._packet = packet
        self._data = data
        self._remaining = remaining
        self.delivered: list[str] = []

    def send_some(self) -> bool:
        """Serve the sockets of one turn; say whether more are waiting."""
        count = min(RECIPIENTS_A_TURN, len(self._remaining))
        turn = [self._remaining.popitem() for _ in range(count)]
        self.delivered += send_to(turn, self._packet, self._data)
        return bool(self._remaining)

    def send_now(self, connection: Connection) -> None:
        """Serve ``connection`` before its turn, if it is still to be served."""
        sid = connection.socket_id
        if self._remaining.pop(sid, None) is not None:
            self.delivered += send_to([(sid, connection)], self._packet, self._data)


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
