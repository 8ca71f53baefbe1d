"""One WebSocket on the event loop, without a green thread of its own.

The loop calls back when the socket can be read or written. An idle WebSocket therefore costs a
socket and a few small objects, and sending to one that keeps up costs a single system call.
"""

from __future__ import annotations

import contextlib
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from eventlet import hubs, patcher
from eventlet.hubs.hub import READ, WRITE, FdListener
from eventlet.hubs.timer import Timer

from webapp.realtime.frames import (
    CloseCode,
    FrameReader,
    Message,
    Opcode,
    ProtocolViolation,
    check_close,
    close_frame,
    frame,
)

RECEIVE_BYTES = 65_536
FRAMES_A_WRITE = 256
"""How many waiting frames are joined into one system call."""

LINGER_SECONDS = 5.0
"""How long the other side may take to read what was sent before the close, and the close."""

RESET = struct.pack("ii", 1, 0)
"""As SO_LINGER: closing drops what was not sent, and the other side is told by a reset."""

# Called from the loop itself, these sockets must not be the ones that wait by calling the loop.
_socket = patcher.original("socket")


class TransportOwner(Protocol):
    """Whoever speaks over the transport. Called from the loop: its methods must not block."""

    def ready(self, send: Callable[[bytes], int] | None) -> None:
        """Take note that nothing waits: ``send`` may be called with frames; ``None``: no more."""

    def takes_more(self) -> bool:
        """Say whether one frame more may come: the owner has closed the transport if not."""

    def received(self, message: Message) -> None:
        """Take a text or binary message."""

    def overflowed(self) -> None:
        """Take note that the other side does not read, and more waits for it than may."""

    def disconnected(self) -> None:
        """Take note that the other side is gone, or broke the protocol and was told so."""


class WebSocketTransport:
    """The server's end of a WebSocket whose handshake is done."""

    __slots__ = (
        "_ahead",
        "_closing",
        "_descriptor",
        "_linger",
        "_max_pending",
        "_owner",
        "_partial",
        "_pending",
        "_reader",
        "_reading",
        "_socket",
        "_writing",
        "pending_bytes",
    )

    def __init__(
        self,
        descriptor: int,
        owner: TransportOwner,
        *,
        max_message: int,
        max_pending: int,
        sent_ahead: bytes = b"",
    ) -> None:
        """Take over ``descriptor``; it is closed with the transport. Bounds are in bytes.

        ``sent_ahead`` was received already, and is read before all that comes.
        """
        self._descriptor = descriptor
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._owner = owner
        self._reader = FrameReader(max_message)
        self._max_pending = max_pending
        self._pending: deque[bytes | memoryview] = deque()
        self.pending_bytes = 0
        self._partial = False
        self._closing = False
        self._ahead = sent_ahead
        self._linger: Timer | None = None
        self._writing: FdListener | None = None
        self._reading: FdListener | None = hubs.get_hub().add(
            READ, descriptor, self._readable, self._gone, self._gone
        )
        owner.ready(self._socket.send)
        if sent_ahead:
            # Not here: its owner is not ready for it yet.
            hubs.get_hub().schedule_call_global(0, self._read_ahead)

    @property
    def sender(self) -> Callable[[bytes], int] | None:
        """What sends without a queue, where nothing waits."""
        return None if self._pending or self._closing else self._socket.send

    def send(self, data: bytes) -> bool:
        """Send a frame, at once where nothing waits, else in its turn; say whether it was taken."""
        if self._closing:
            return False
        if self._pending:
            return self._queue(data)
        try:
            sent = self._socket.send(data)
        except OSError as error:
            return self.send_failed(data, error)
        if sent < len(data):
            self.queue_rest(data, sent)
        return True

    def _queue(self, data: bytes) -> bool:
        if self.pending_bytes + len(data) > self._max_pending:
            self._owner.overflowed()
            return False
        self._wait_to_write(data)
        return True

    def queue_rest(self, data: bytes, sent: int) -> None:
        """Have the rest of a frame wait of which ``sent`` bytes were sent directly."""
        self._partial = True
        self._wait_to_write(memoryview(data)[sent:])

    def send_failed(self, data: bytes, error: OSError) -> bool:
        """Deal with a send of ``data`` that raised ``error``; say whether it waits to be sent."""
        if isinstance(error, BlockingIOError):
            self._wait_to_write(data)
            return True
        self._lose()
        return False

    def close(self, code: CloseCode, reason: str) -> None:
        """Send what waits, then the close with its reason; let the other side read it."""
        if self._closing:
            return
        self._closing = True
        self._owner.ready(None)
        self._linger = hubs.get_hub().schedule_call_global(LINGER_SECONDS, self._reset)
        self._wait_to_write(close_frame(code, reason))
        self._writable(self._descriptor)

    def cut(self, code: CloseCode, reason: str) -> None:
        """Close without sending what waits, but for the rest of a frame that was begun."""
        begun = [self._pending[0]] if self._partial else []
        self._pending = deque(begun)
        self.pending_bytes = sum(map(len, begun))
        self.close(code, reason)

    def _wait_to_write(self, data: bytes | memoryview) -> None:
        self._owner.ready(None)
        self._pending.append(data)
        self.pending_bytes += len(data)
        if self._writing is None:
            self._writing = hubs.get_hub().add(
                WRITE, self._descriptor, self._writable, self._gone, self._gone
            )

    def _writable(self, _descriptor: int) -> None:
        if not self._pending:
            return
        batch = [self._pending[at] for at in range(min(len(self._pending), FRAMES_A_WRITE))]
        try:
            sent = self._socket.sendmsg(batch)
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        self._drop_sent(sent)
        if not self._pending:
            self._stop_writing()
            self._wrote_all()

    def _drop_sent(self, sent: int) -> None:
        self.pending_bytes -= sent
        while self._pending and sent >= len(self._pending[0]):
            sent -= len(self._pending.popleft())
            self._partial = False
        if sent:
            self._pending[0] = memoryview(self._pending[0])[sent:]
            self._partial = True

    def _wrote_all(self) -> None:
        if not self._closing:
            self._owner.ready(self._socket.send)
            return
        # Not closed yet: closing with unread bytes resets the connection, and the other side
        # would lose the close, and what was sent before it.
        with contextlib.suppress(OSError):
            self._socket.shutdown(_socket.SHUT_WR)

    def _readable(self, _descriptor: int) -> None:
        if self._ahead:
            self._read_ahead()
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
        elif not self._closing:
            self._read(data)

    def _read_ahead(self) -> None:
        data, self._ahead = self._ahead, b""
        if data and not self._closing:
            self._read(data)

    def _read(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                if self._closing or not self._owner.takes_more():
                    return
                if message is not None:
                    self._handle(message)
        except ProtocolViolation as violation:
            self.close(violation.code, violation.reason)
            self._owner.disconnected()

    def _handle(self, message: Message) -> None:
        opcode, payload = message
        if opcode is Opcode.PING:
            self.send(frame(Opcode.PONG, payload))
        elif opcode is Opcode.CLOSE:
            check_close(payload)
            self.close(CloseCode.NORMAL, "")
            self._owner.disconnected()
        elif opcode is not Opcode.PONG:
            self._owner.received(message)

    def _lose(self) -> None:
        was_closing = self._closing
        self._finish()
        if not was_closing:
            self._owner.disconnected()

    def _gone(self, *_: BaseException) -> None:
        # The loop says that the descriptor was closed under it.
        self._lose()

    def _stop_writing(self) -> None:
        if self._writing is not None:
            hubs.get_hub().remove(self._writing)
            self._writing = None

    def _reset(self) -> None:
        # Who does not read would keep the connection, and what the kernel holds for it, for hours.
        with contextlib.suppress(OSError):
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET)
        self._finish()

    def _finish(self) -> None:
        """Close the socket now, whatever waits."""
        self._closing = True
        self._owner.ready(None)
        self._pending.clear()
        self._stop_writing()
        if self._reading is not None:
            hubs.get_hub().remove(self._reading)
            self._reading = None
            self._socket.close()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
