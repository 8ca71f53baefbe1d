"""What waits for a long-polling client, and the poll that waits for it."""

from __future__ import annotations

from collections import deque

from engineio import packet
from engineio.packet import Packet
from eventlet.event import Event


class Outbox:
    """The packets that the next poll takes."""

    __slots__ = ("_bytes", "_packets", "_poll")

    def __init__(self) -> None:
        self._packets: deque[Packet] = deque()
        self._bytes = 0
        self._poll: Event | None = None

    @property
    def is_polled(self) -> bool:
        """Whether a poll waits."""
        return self._poll is not None

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def put(self, pkt: Packet, most: int) -> bool:
        """Have ``pkt`` wait; say whether there was room for it in ``most`` bytes."""
        size = len(pkt.encode(b64=True))
        if self._packets and self._bytes + size > most:
            return False
        self._packets.append(pkt)
        self._bytes += size
        self.wake()
        return True

    def poll(self) -> list[Packet]:
        """Wait for packets and take them; where ``wake`` was called there may be none."""
        if not self._packets:
            self._poll = Event()
            try:
                self._poll.wait()
            finally:
                self._poll = None
        return self.take() or [Packet(packet.NOOP)]

    def wake(self) -> None:
        """Let a poll that waits go."""
        if self._poll is not None and not self._poll.ready():
            self._poll.send()

    def take(self) -> list[Packet]:
        """Take what waits."""
        packets = list(self._packets)
        self._packets.clear()
        self._bytes = 0
        return packets
