"""The WebSocket transport: eventlet's, with the bounds that it lacks.

Eventlet accepts permessage-deflate from every browser (slow, and 88 KiB a connection), joins the
fragments of a message without a limit and unmasks a byte at a time in Python.
"""

from collections.abc import Callable, Mapping
from wsgiref.types import WSGIEnvironment

from engineio import Server
from eventlet.websocket import FailedConnectionError, RFC6455WebSocket, WebSocketWSGI

MAX_FRAGMENTS = 64
"""Frames that one message may come in; more of them is a flood of headers, not a message."""

TOO_BIG = 1009
NOT_UTF8 = 1007


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

    def _recv_frame(
        self, message: RFC6455WebSocket.Message | None = None
    ) -> RFC6455WebSocket.Message:
        received = super()._recv_frame(message)
        if isinstance(received, BoundedMessage):
            received.fragments += 1
            if received.fragments > MAX_FRAGMENTS:
                raise FailedConnectionError(
                    TOO_BIG, f"A message may come in {MAX_FRAGMENTS} fragments."
                )
        return received

    def close(self, close_data: tuple[int, str] | None = None) -> None:
        """End the WebSocket; once only, as reader and writer both do when it is over."""
        if not self._closed:
            self._closed = True
            super().close(close_data)

    @staticmethod
    def _apply_mask(
        data: bytes, mask: tuple[int, int, int, int], length: int | None = None, offset: int = 0
    ) -> bytes:
        size = len(data) if length is None else length
        turn = offset % 4
        key = bytes(mask[turn:] + mask[:turn]) * (size // 4 + 1)
        masked = int.from_bytes(data[:size], "little") ^ int.from_bytes(key[:size], "little")
        return masked.to_bytes(size, "little")


class BoundedWebSocketWSGI(WebSocketWSGI):
    """Answers the upgrade; the class that the async driver is given as ``websocket``."""

    def __init__(self, handler: Callable[[RFC6455WebSocket], None], server: Server) -> None:
        super().__init__(handler, max_frame_length=server.max_http_buffer_size)

    def _negotiate_permessage_deflate(
        self, extensions: Mapping[str, list[Mapping[str, int]]] | None
    ) -> None:
        """Refuse compression: it costs more than the sending, and keeps a window a connection."""

    def _handle_hybi_request(self, environ: WSGIEnvironment) -> RFC6455WebSocket:
        stock = super()._handle_hybi_request(environ)
        return BoundedWebSocket(
            stock.socket,
            environ,
            stock.version,
            protocol=stock.protocol,
            max_frame_length=stock.max_frame_length,
        )
