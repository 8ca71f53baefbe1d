"""A client that speaks HTTP byte by byte, and so can say what no library would."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from logger_lib import JsonObject

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer as it was read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> JsonObject:
        """The object that is the body."""
        body = json.loads(self.body)
        assert isinstance(body, dict), body
        return body

    @property
    def error_code(self) -> str:
        """The code in the error envelope, which the body must be."""
        assert self.headers["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        error = self.json["error"]
        assert isinstance(error, dict)
        assert list(error) == ["code", "message"]
        return str(error["code"])


class RawHttp:
    """A connection to a server."""

    def __init__(self, port: int, sent: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._unread = b""
        self.send(sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send ``data`` as it is."""
        self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> RawAnswer:
        """Read the next answer; one ``to_head`` has no body whatever its length is said to be."""
        head = self._read_until(b"\r\n\r\n")
        line, *fields = head[:-4].decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        assert len(headers) == len(fields), "a header was sent twice"
        return RawAnswer(int(status), headers, b"" if to_head else self._body(int(status), headers))

    def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in {100, 204, 304}:
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in headers:
            return self._read(int(headers["content-length"]))
        return self.rest()

    def _chunk(self) -> bytes:
        size = int(self._read_until(b"\r\n"), 16)
        data = self._read(size)
        assert self._read(2) == b"\r\n"
        return data

    def chunk(self) -> bytes:
        """Read one chunk of a body."""
        return self._chunk()

    def head(self) -> bytes:
        """Read up to the next empty line."""
        return self._read_until(b"\r\n\r\n")

    def rest(self) -> bytes:
        """Read all that comes until the server closes."""
        while self._read_more():
            pass
        rest, self._unread = self._unread, b""
        return rest

    def _read_until(self, end: bytes) -> bytes:
        while (at := self._unread.find(end)) < 0:
            assert self._read_more(), f"closed after {self._unread!r}"
        return self._read(at + len(end))

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            assert self._read_more(), f"closed after {self._unread!r}"
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _read_more(self) -> bool:
        data = self.socket.recv(65_536)
        self._unread += data
        return bool(data)
