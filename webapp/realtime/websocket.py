"""The WebSocket transport: eventlet's, with the bounds that it lacks.

Eventlet accepts permessage-deflate from every browser (slow, and 88 KiB a connection), joins the
fragments of a message without a limit, unmasks a byte at a time in Python, and closes a descriptor
that another green thread waits on, which then never wakes.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet
from wsgiref.types import WSGIEnvironment

from eventlet.websocket import FailedConnectionError, RFC6455WebSocket, WebSocketWSGI

MAX_FRAGMENTS = 64
"""Frames that one message may come in; more of them is a flood of headers, not a message."""

RESERVED_BITS = 0b0111_0000

PROTOCOL_ERROR = 1002
NOT_TEXT = 1003
NOT_UTF8 = 1007
TOO_BIG = 1009

VERSIONS = ("8", "13")
PACKET_TYPES = frozenset("0123456")
"""What an Engine.IO packet may begin with. There is no ``b`` among them: nothing here is binary."""


class BoundedMessage(RFC6455WebSocket.Message):
    """A message in the making; the limit of a whole one holds for its fragments together."""

    size = 0
    fragments = 0

    def push(self, data: bytes, final: bool = False) -> None:
        """Add what one read of the socket brought; refuse what makes the message too big."""
        self.size += len(data)
        if self.size > self.max_frame_length:
            raise FailedConnectionError(
                TOO_BIG, f"A message may have {self.max_frame_length} bytes in all its fragments."
            )
        super().push(data, final)

    def getvalue(self) -> bytes | str:
        """Return the whole message; text must be UTF-8."""
        try:
            return super().getvalue()
        except UnicodeDecodeError as error:
            raise FailedConnectionError(NOT_UTF8, "Text must be UTF-8.") from error


class BoundedWebSocket(RFC6455WebSocket):
    """The server's end of one WebSocket."""

    Message = BoundedMessage
    _closed = False
    _at_header = False

    def wait(self) -> str | None:
        """Return the next Engine.IO packet, or ``None`` when the WebSocket is over."""
        try:
            message = super().wait()
        except OSError:  # the client is gone, or said nothing for too long
            return None
        if isinstance(message, str) and message[:1] in PACKET_TYPES:
            return message
        if isinstance(message, str):
            self.close((PROTOCOL_ERROR, "Not an Engine.IO packet."))
        elif message is not None:
            self.close((NOT_TEXT, "Only text is understood."))
        return None

    def _recv_frame(
        self, message: RFC6455WebSocket.Message | None = None
    ) -> RFC6455WebSocket.Message:
        self._at_header = True
        received = super()._recv_frame(message)
        if isinstance(received, BoundedMessage):
            received.fragments += 1
            if received.fragments > MAX_FRAGMENTS:
                raise FailedConnectionError(
                    TOO_BIG, f"A message may come in {MAX_FRAGMENTS} fragments."
                )
        return received

    def _get_bytes(self, numbytes: int) -> bytes:
        received = super()._get_bytes(numbytes)
        # Eventlet itself checks the first of the three alone.
        if self._at_header and received[0] & RESERVED_BITS:
            raise FailedConnectionError(PROTOCOL_ERROR, "Reserved bits must be 0.")
        self._at_header = False
        return received

    def close(self, close_data: tuple[int, str] | None = None) -> None:
        """Take leave and end the WebSocket; once only, as reader and writer both do it.

        The descriptor is left to the worker: a reader that waits on it wakes up only as long as it
        is open.
        """
        if not self._closed:
            self._closed = True
            self._send_closing_frame(ignore_send_errors=True, close_data=close_data)
            self.cut()

    def cut(self) -> None:
        """End the connection under reader and writer, whatever they are waiting for."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _apply_mask(
        data: bytes, mask: tuple[int, int, int, int], length: int | None = None, offset: int = 0
    ) -> bytes:
        size = len(data) if length is None else length
        turn = offset % 4
        key = bytes(mask[turn:] + mask[:turn]) * (size // 4 + 1)
        masked = int.from_bytes(data[:size], "little") ^ int.from_bytes(key[:size], "little")
        return masked.to_bytes(size, "little")


class WebSocketHost(Protocol):
    """What the transport asks of the Engine.IO server."""

    max_http_buffer_size: int
    websockets: WeakSet[BoundedWebSocket]


class BoundedWebSocketWSGI(WebSocketWSGI):
    """Answers the upgrade; the class that the async driver is given as ``websocket``."""

    def __init__(self, handler: Callable[[RFC6455WebSocket], None], server: WebSocketHost) -> None:
        super().__init__(handler, max_frame_length=server.max_http_buffer_size)
        # The drafts before RFC 6455, which know no masks.
        self.support_legacy_versions = False
        self._open = server.websockets

    def _negotiate_permessage_deflate(
        self, extensions: Mapping[str, list[Mapping[str, int]]] | None
    ) -> None:
        """Refuse compression: it costs more than the sending, and keeps a window a connection."""

    def _handle_hybi_request(self, environ: WSGIEnvironment) -> RFC6455WebSocket:
        stock = super()._handle_hybi_request(environ)
        bounded = BoundedWebSocket(
            stock.socket,
            environ,
            stock.version,
            protocol=stock.protocol,
            max_frame_length=stock.max_frame_length,
        )
        self._open.add(bounded)
        return bounded
