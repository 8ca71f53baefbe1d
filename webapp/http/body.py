"""A body in chunks, whose end only their decoder knows."""

from __future__ import annotations

from httptools import HttpParserCallbackError, HttpParserError, HttpRequestParser

from webapp.http.bounds import MAX_FIELDS, MAX_HEAD, head_too_long
from webapp.http.refusal import malformed

HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"\r\n\r\n"

MAX_BESIDE = 2 * MAX_HEAD
"""Bytes between two pieces of the content, of the extension of a chunk or of the trailers."""

FORBIDDEN_TRAILERS = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"trailer", b"authorization", b"te"}
)
"""RFC 9110, 6.5.1: what routes, frames or authorizes a message is not to be said at its end."""


class ChunkedBody:
    """Decodes one body; trailers are checked and dropped."""

    def __init__(self, most: int, most_on_wire: int) -> None:
        """Stop decoding at more than ``most`` bytes, refuse more than ``most_on_wire`` for them."""
        self.is_complete = False
        self.size = 0
        self._most = most
        self._wire_left = most_on_wire
        self._parts: list[bytes] = []
        self._trailers = 0
        self._beside = 0
        self._last = b""
        self._has_begun = False
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(HEAD)
        self._has_begun = True

    @property
    def wants_more(self) -> bool:
        """Whether the body goes on, and is not too long yet."""
        return not self.is_complete and self.size <= self._most

    def feed(self, data: bytes) -> bytes:
        """Decode ``data`` and return what stands behind the body; raises ``Refused``.

        The parser does not say where in ``data`` the body ends. It can end nowhere but behind an
        empty line, and so gets no more than the bytes up to the next one at a time.
        """
        self._wire_left -= len(data)
        if self._wire_left < 0:
            raise malformed("send fewer and larger chunks")
        data, at = self._last + data, len(self._last)
        view = memoryview(data)
        while self.wants_more and at < len(data):
            found = data.find(END, max(0, at - len(END) + 1))
            end = len(data) if found < 0 else found + len(END)
            self._decode(view[at:end])
            at = end
        self._last = data[-len(END) + 1 :]
        return data[at:]

    def _decode(self, data: memoryview) -> None:
        self._beside += len(data)
        if self._beside > MAX_BESIDE:
            raise head_too_long()
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserError as error:
            raise malformed(f"the body is not in chunks: {error}") from None

    def take(self) -> bytes:
        """Return what was decoded."""
        return b"".join(self._parts)

    def on_message_begin(self) -> None:
        """Refuse what the parser takes for another request."""
        if self._has_begun:
            raise malformed("the body does not end where it should")

    def on_body(self, data: bytes) -> None:
        """Take a piece from the parser."""
        self._parts.append(data)
        self.size += len(data)
        self._beside = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Check a trailer; what stands in it nobody needs."""
        del value
        if not self._has_begun:
            return
        if name.lower() in FORBIDDEN_TRAILERS:
            raise malformed(f"{name.decode('latin-1')} is no trailer")
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            raise head_too_long()

    def on_message_complete(self) -> None:
        """Take note of the end."""
        self.is_complete = True
