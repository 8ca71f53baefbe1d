"""The answer of a WSGI app on its way to the client."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from types import TracebackType
from typing import TypeAlias

Send: TypeAlias = Callable[[bytes], None]
ExcInfo: TypeAlias = (
    "tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]"
)

MOST_JOINED = 65_536
"""Bytes of a piece that is copied to be sent with the head, in one system call."""

MOST_REMEMBERED = 1_000

_STATUS = re.compile(r"[2-5][0-9]{2}(?: [\t -~\x80-\xff]*)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SENDABLE = bytes([*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)])

# What is done with a header of the app: sent, also looked at, or left to the server.
_ORDINARY, _LENGTH, _DATE, _OURS = range(4)
_KINDS = {
    "content-length": _LENGTH,
    "date": _DATE,
    **dict.fromkeys(
        {
            *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
            *("trailer", "trailers", "transfer-encoding", "upgrade"),
        },
        _OURS,
    ),
}
_kinds: dict[str, int] = {}
_statuses: dict[str, int] = {}


class Clock:
    """The ``Date`` of now, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""

    def __call__(self) -> str:
        """Return it."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = formatdate(now, usegmt=True)
        return self._date


http_date = Clock()


class Answer:
    """WSGI's ``start_response``, and the way of all that follows it onto the wire."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_fields",
        "_has_date",
        "_is_head",
        "_is_http_1_1",
        "_length",
        "_send",
        "head_sent",
        "headers",
        "keeps_alive",
        "sent",
        "status",
    )

    def __init__(self, send: Send, *, is_head: bool, is_http_1_1: bool, keeps_alive: bool) -> None:
        """Answer a request by ``send``; ``keeps_alive`` says whether another one may follow."""
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.sent = 0
        """Bytes of the body that were sent."""

        self.head_sent = False
        self.keeps_alive = keeps_alive
        self._send = send
        self._is_head = is_head
        self._is_http_1_1 = is_http_1_1
        self._length: int | None = None
        self._bodiless = False
        self._chunked = False
        self._has_date = False
        self._fields = ""

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Send:
        """Take status and headers, as PEP 3333 has it; they are sent with the first bytes."""
        if exc_info:
            try:
                if self.head_sent and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status:
            raise AssertionError("start_response was called before, and this is no error")
        code = _statuses.get(status) or _code_of(status)
        self.headers = headers
        self._length = None
        self._has_date = False
        self._fields = self._lines_of(headers, forbids_length=code == 204)
        self._bodiless = self._is_head or code in {204, 304}
        self.status = status
        return self.write

    def _lines_of(self, headers: list[tuple[str, str]], *, forbids_length: bool) -> str:
        lines: list[str] = []
        for name, value in headers:
            kind = _kinds.get(name)
            if kind is None:
                kind = _kind_of(name)
            if kind == _OURS:
                continue
            if kind == _LENGTH:
                if forbids_length:
                    continue
                self._take_length(value)
            elif kind == _DATE:
                self._has_date = True
            lines += (name, ": ", value, "\r\n")
        text = "".join(lines)
        _check(text, len(lines) // 4)
        return text

    def _take_length(self, value: str) -> None:
        if not (value.isascii() and value.isdigit()):
            raise ValueError("the app's Content-Length is no number")
        length = int(value)
        if self._length is not None and self._length != length:
            raise ValueError("the app's Content-Length is given twice")
        self._length = length

    def send_body(self, pieces: Iterable[bytes]) -> None:
        """Send what the app returned, each piece as soon as it is there, and the end."""
        if self._length is None and isinstance(pieces, list | tuple) and len(pieces) <= 1:
            self._know_length(len(pieces[0]) if pieces else 0)
        for piece in pieces:
            if piece:
                self.write(piece)
        self._finish()

    def _know_length(self, length: int) -> None:
        # HEAD, 204 and 304 say nothing of a length unless the app did.
        if self._length is None and not self._bodiless and self.status and not self.head_sent:
            self._length = length
            self._fields += f"Content-Length: {length}\r\n"

    def write(self, data: bytes) -> None:
        """Send a piece of the body: the old way of PEP 3333, which ``send_body`` goes too."""
        if not isinstance(data, bytes):
            raise TypeError(f"the body is of bytes, not of {type(data).__name__}")
        if self._bodiless:
            data = b""
        elif self._length is not None:
            data = data[: self._length - self.sent]
        head = b"" if self.head_sent else self._head()
        self.sent += len(data)
        if self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head and len(data) > MOST_JOINED:
            self._send(head)
            head = b""
        if head or data:
            self._send(head + data)

    def _finish(self) -> None:
        if not self.head_sent:
            self._know_length(0)
            self._send(self._head())
        if self._chunked:
            self._send(b"0\r\n\r\n")
        elif self._length is not None and self.sent < self._length and not self._bodiless:
            # The client waits for the rest, and would take the next answer for it.
            self.keeps_alive = False

    def _head(self) -> bytes:
        if not self.status:
            raise AssertionError("the app did not call start_response")
        connection = ""
        if self._length is None and not self._bodiless:
            self._chunked = self._is_http_1_1
            self.keeps_alive = self.keeps_alive and self._is_http_1_1
            connection = "Transfer-Encoding: chunked\r\n" if self._chunked else ""
        if not self.keeps_alive:
            connection += "Connection: close\r\n"
        elif not self._is_http_1_1:
            connection += "Connection: keep-alive\r\n"
        date = "" if self._has_date else f"Date: {http_date()}\r\n"
        self.head_sent = True
        head = f"HTTP/1.1 {self.status}\r\n{date}{connection}{self._fields}\r\n"
        return head.encode("latin-1")


def _code_of(status: str) -> int:
    if not isinstance(status, str):
        raise TypeError(f"a status is a str, not a {type(status).__name__}")
    if not _STATUS.fullmatch(status):
        raise ValueError(f"this is no status: {status!r}")
    code = int(status[:3])
    if len(_statuses) < MOST_REMEMBERED:
        _statuses[status] = code
    return code


def _kind_of(name: str) -> int:
    if not isinstance(name, str):
        raise TypeError(f"the name of a header is a str, not a {type(name).__name__}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"this is no name of a header: {name!r}")
    kind = _KINDS.get(name.lower(), _ORDINARY)
    if len(_kinds) < MOST_REMEMBERED:
        _kinds[name] = kind
    return kind


def _check(text: str, lines: int) -> None:
    # Of all headers at once: a line end in a value is one too many. The values are not named,
    # which may be secret.
    sent = text.encode("latin-1")
    if text.count("\r") != lines or text.count("\n") != lines or sent.translate(None, _SENDABLE):
        raise ValueError("a header of the app has a value that cannot be sent")
