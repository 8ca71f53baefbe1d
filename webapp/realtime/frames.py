"""WebSocket frames (RFC 6455): how the server writes them, and how it reads a client's."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import TypeAlias

MAX_FRAGMENTS = 64
"""Frames that one message may come in; more of them is a flood of headers, not a message."""

FIN = 0x80
MASKED = 0x80
CONTROL = 0x08
MAX_CONTROL = 125


class Opcode(IntEnum):
    """What a frame carries."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


Message: TypeAlias = tuple[Opcode, bytes]


class CloseCode(IntEnum):
    """Why a WebSocket is closed (RFC 6455, section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013


# Those that an endpoint may send: some of the range are for its own use, others are not defined.
_SENT_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


class ProtocolViolation(Exception):
    """The client sent what it must not; the WebSocket is to be closed with this code."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """Return ``payload`` as one whole frame of the server, which does not mask."""
    size = len(payload)
    if size <= MAX_CONTROL:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", FIN | opcode, 126, size) + payload
    return struct.pack("!BBQ", FIN | opcode, 127, size) + payload


def close_frame(code: CloseCode, reason: str) -> bytes:
    """Return the frame that closes a WebSocket, with ``reason`` cut to what fits."""
    text = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return frame(Opcode.CLOSE, struct.pack("!H", code) + text)


def check_close(payload: bytes) -> None:
    """Raise ``ProtocolViolation`` for a close frame of a client that says what it must not."""
    if not payload:
        return
    if len(payload) == 1 or struct.unpack_from("!H", payload)[0] not in _SENT_CODES:
        raise _broken("The close code is none.")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise _broken("The reason of a close must be UTF-8.") from error


def unmask(payload: bytes | bytearray, key: bytes | bytearray) -> bytes:
    """Return ``payload`` without the client's mask of four bytes."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    plain = int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")
    return plain.to_bytes(size, "little")


class FrameReader:
    """Makes messages of the bytes that a client sends.

    ``max_message`` bounds a message whole, whether it comes in one frame or in fragments.
    """

    __slots__ = ("_buffer", "_fragments", "_max_message", "_opcode", "_size")

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._buffer: bytes | bytearray = b""
        self._opcode: Opcode | None = None
        self._fragments: list[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Message | None]:
        """Take ``data`` and go through its frames, one at each step, as far as the caller wants.

        Each is a message or control frame, or ``None`` for one that a message goes on after.
        Raises ``ProtocolViolation``; the reader is of no use after that.
        """
        buffer: bytes | bytearray = data
        if self._buffer:
            buffer = self._buffer
            # In place: a frame may come in as many pieces as it has bytes.
            buffer += data
        start = 0
        while (parsed := self._parse(buffer, start)) is not None:
            head, key, body, end = parsed
            start = end
            yield self._take(head, unmask(buffer[body:end], key) if end > body else b"")
        self._keep(buffer, start)

    def _keep(self, buffer: bytes | bytearray, start: int) -> None:
        if start == len(buffer):
            self._buffer = b""
        elif isinstance(buffer, bytearray):
            del buffer[:start]
        else:
            self._buffer = bytearray(buffer[start:])

    def _parse(
        self, buffer: bytes | bytearray, start: int
    ) -> tuple[int, bytes | bytearray, int, int] | None:
        """Find the frame at ``start``: first byte, mask, where its payload starts and ends."""
        available = len(buffer) - start
        if available < 2:
            return None
        head, second = buffer[start], buffer[start + 1]
        size, offset = second & 0x7F, start + 2
        self._check_head(head, second, size)
        if size >= 126:
            width = 2 if size == 126 else 8
            if available < 2 + width:
                return None
            size = int.from_bytes(buffer[offset : offset + width], "big")
            offset += width
        if self._size + size > self._max_message:
            raise ProtocolViolation(
                CloseCode.TOO_BIG,
                f"A message may have {self._max_message} bytes in all its frames.",
            )
        end = offset + 4 + size
        if end > len(buffer):
            return None
        return head, buffer[offset : offset + 4], offset + 4, end

    def _check_head(self, head: int, second: int, size: int) -> None:
        opcode = head & 0x0F
        if head & 0x70:
            raise _broken("Reserved bits must be 0: no extension was negotiated.")
        if not second & MASKED:
            raise _broken("A client must mask its frames.")
        if opcode not in Opcode.__members__.values():
            raise _broken("The opcode is unknown.")
        if opcode & CONTROL:
            if not head & FIN or size > MAX_CONTROL:
                raise _broken("A control frame has at most 125 bytes and is never in fragments.")
        elif (opcode == Opcode.CONTINUATION) != (self._fragments is not None):
            raise _broken("A continuation continues a message, and nothing else may come between.")

    def _take(self, head: int, payload: bytes) -> Message | None:
        opcode = Opcode(head & 0x0F)
        if opcode & CONTROL:
            return opcode, payload
        if self._fragments is None:
            if head & FIN:
                return opcode, payload
            self._opcode, self._fragments = opcode, []
        self._fragments.append(payload)
        self._size += len(payload)
        if len(self._fragments) > MAX_FRAGMENTS:
            raise ProtocolViolation(
                CloseCode.TOO_BIG, f"A message may come in {MAX_FRAGMENTS} frames."
            )
        return self._whole_message() if head & FIN else None

    def _whole_message(self) -> Message:
        assert self._opcode is not None and self._fragments is not None  # noqa: S101, PT018 - set together
        message = self._opcode, b"".join(self._fragments)
        self._opcode = self._fragments = None
        self._size = 0
        return message


def _broken(reason: str) -> ProtocolViolation:
    return ProtocolViolation(CloseCode.PROTOCOL_ERROR, reason)
