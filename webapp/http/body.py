"""A body in chunks, whose end only their decoder knows."""

from __future__ import annotations

import re

from httptools import HttpParserCallbackError, HttpParserError, HttpRequestParser

from webapp.http.bounds import MAX_CHUNKS, MAX_FIELDS, MAX_HEAD, MAX_LINE, head_too_long
from webapp.http.refusal import Refused, malformed

CRLF = b"\r\n"
END = b"\r\n\r\n"

FORBIDDEN_TRAILERS = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"trailer", b"authorization", b"te"}
)
"""RFC 9110, 6.5.1: what routes, frames or authorizes a message is not to be said at its end."""

# What an extension says nobody reads; what two servers could take for a line end it must not have.
_SIZE = rb"([0-9A-Fa-f]{1,16})(?:;[^\x00-\x08\x0a-\x1f\x7f]{0,%d})?\r\n" % (MAX_LINE - 20)
_FIRST_SIZE = re.compile(_SIZE)
_NEXT_SIZE = re.compile(rb"\r\n" + _SIZE)
_EMPTY_BODY = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0"


class ChunkedBody:
    """Decodes one body; trailers are checked and dropped.

    The content of a chunk is taken whole, and only what stands between two chunks is searched: what
    stands in it makes no work.
    """

    def __init__(self, most: int, most_on_wire: int) -> None:
        """Stop decoding at more than ``most`` bytes, refuse more than ``most_on_wire`` for them."""
        self.is_complete = False
        self._most = most
        self._wire_left = most_on_wire
        self._content = bytearray()
        self._chunks = 0
        self._left = 0
        self._is_at_end = False
        self._rest = b""

    @property
    def wants_more(self) -> bool:
        """Whether the body goes on, and is not too long yet."""
        return not self.is_complete and len(self._content) <= self._most

    def feed(self, data: bytes) -> bytes:
        """Decode ``data`` and return what stands behind the body; raises ``Refused``."""
        self._wire_left -= len(data)
        if self._wire_left < 0:
            raise _too_many()
        searched = len(self._rest)
        data, at = self._rest + data, 0
        while not self.is_complete and len(self._content) <= self._most:
            if self._left:
                then = self._take_content(data, at)
            elif self._is_at_end:
                then = self._end_trailers(data, at, searched)
            else:
                then = self._begin_chunk(data, at)
            if then == at:
                break
            at = then
        # What is decoded no more is behind the body, or nobody's: the connection ends there.
        self._rest = data[at:] if self.wants_more else b""
        return b"" if self.wants_more else data[at:]

    def take(self) -> bytes:
        """Return what was decoded."""
        return bytes(self._content)

    def _take_content(self, data: bytes, at: int) -> int:
        end = min(len(data), at + self._left)
        self._content += memoryview(data)[at:end]
        self._left -= end - at
        return end

    def _begin_chunk(self, data: bytes, at: int) -> int:
        """Return where the content of the next chunk begins; ``at`` where that is not there yet."""
        line = (_NEXT_SIZE if self._chunks else _FIRST_SIZE).match(data, at)
        if line is None:
            self._check_begin(data, at)
            return at
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise _too_many()
        self._left = int(line[1], 16)
        if self._left:
            return line.end()
        self._is_at_end = True
        # The line's own end is the begin of an empty line where there are no trailers.
        return line.end() - len(CRLF)

    def _check_begin(self, data: bytes, at: int) -> None:
        """Refuse what can become no line with a size any more."""
        if self._chunks:
            if not CRLF.startswith(data[at : at + 2]):
                raise malformed("a chunk has another size than it says")
            at += len(CRLF)
        if data.find(CRLF, at, at + MAX_LINE) >= 0:
            raise malformed("the body is not in chunks: before each comes a line with its size")
        if len(data) - at >= MAX_LINE:
            raise head_too_long()

    def _end_trailers(self, data: bytes, at: int, searched: int) -> int:
        found = data.find(END, max(at, searched - len(END) + 1))
        end = len(data) if found < 0 else found + len(END)
        if end - at > MAX_HEAD:
            raise head_too_long()
        if found < 0:
            return at
        if found > at:
            _check_trailers(data[at:end])
        self.is_complete = True
        return end


class _Trailers:
    """What the parser calls back, for a request whose body ends with these trailers."""

    def __init__(self) -> None:
        self.ends = 0
        self._seen = -1  # the first field is that of the request itself

    def on_message_complete(self) -> None:
        """Take note of the end."""
        self.ends += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Check a trailer; what stands in it nobody needs."""
        del value
        self._seen += 1
        if self._seen and name.lower() in FORBIDDEN_TRAILERS:
            raise malformed(f"{name.decode('latin-1')} is no trailer")
        if self._seen > MAX_FIELDS:
            raise head_too_long()


def _check_trailers(trailers: bytes) -> None:
    read = _Trailers()
    try:
        HttpRequestParser(read).feed_data(_EMPTY_BODY + trailers)
    except HttpParserCallbackError as error:
        raise error.__context__ or error from None
    except HttpParserError as error:
        raise malformed(f"these are no trailers: {error}") from None
    if read.ends != 1:
        raise malformed("the body does not end where it should")


def _too_many() -> Refused:
    return malformed("send fewer and larger chunks")
