"""Many raw sockets in one thread: each reads what comes, answers pings, and keeps its events."""

import json
import resource
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.services.sockets import CLOSE, TEXT, UPGRADE, WEBSOCKET_PATH, frame

BATCH = 250
SPARE_FILES = 500
READ_BYTES = 262_144


def most_sockets(wanted: int) -> int:
    """Raise the limit of open files for ``wanted`` sockets; return how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(wanted + SPARE_FILES, hard)
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return min(wanted, limit - SPARE_FILES)


class Member:
    """One socket of a crowd."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self._token = token
        self._buffer = b""
        self._upgraded = False
        self.sid = ""
        self.rooms = 0
        self.events: list[str] = []
        """The packets of all events so far, in their order."""

        self.close_code: int | None = None
        self.close_reason = ""
        self.ended = False
        self.parted = False
        """Whether the server has taken it out, and left the connection open."""

        given = {"Host": f"127.0.0.1:{port}", **UPGRADE}
        lines = [f"GET {WEBSOCKET_PATH} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self.socket.setblocking(False)

    def send_text(self, text: str) -> None:
        """Send one packet."""
        self.socket.sendall(frame(TEXT, text.encode()))

    def join(self, room: str) -> None:
        """Ask to join ``room``; ``rooms`` counts the answers."""
        self.send_text('421["join",' + json.dumps({"room": room}) + "]")

    def data(self, event: str) -> list[int]:
        """Return the numbers (``n``) that came with ``event``, in order."""
        return [
            int(received["n"])
            for name, received in (json.loads(text[2:]) for text in self.events)
            if name == event
        ]

    def read(self) -> None:
        """Take what has come."""
        try:
            received = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            received = b""
        if not received:
            self.ended = True
            return
        self._buffer += received
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._upgraded, self._buffer = True, rest
        self._read_frames()

    def _read_frames(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) >= start + 2:
            size, body = buffer[start + 1], start + 2
            if size == 126:
                size, body = int.from_bytes(buffer[body : body + 2], "big"), body + 2
            elif size == 127:
                size, body = int.from_bytes(buffer[body : body + 8], "big"), body + 8
            if len(buffer) < body + size:
                break
            self._take(buffer[start] & 15, buffer[body : body + size])
            start = body + size
        self._buffer = buffer[start:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.close_code = struct.unpack_from("!H", payload)[0]
            self.close_reason = payload[2:].decode()
            return
        text = payload.decode()
        if text.startswith("42"):
            self.events.append(text)
        elif text == "2":
            self.send_text("3")
        elif text.startswith("0"):
            self.send_text("40" + json.dumps({"token": self._token}))
        elif text.startswith("40"):
            self.sid = json.loads(text[2:])["sid"]
        elif text.startswith("43"):
            assert json.loads(text[3:])[0]["ok"], text
            self.rooms += 1
        elif text == "41":
            self.parted = True
        else:
            raise AssertionError(text)


class Crowd:
    """Sockets that are logged in."""

    def __init__(self, port: int, count: int, token: str) -> None:
        self.members: list[Member] = []
        self._selector = selectors.DefaultSelector()
        for start in range(0, count, BATCH):
            batch = [Member(port, token) for _ in range(min(BATCH, count - start))]
            for member in batch:
                self._selector.register(member.socket, selectors.EVENT_READ, member)
            self.members += batch
            self._await_logins(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def _await_logins(self, members: Sequence[Member]) -> None:
        self.read_until(lambda: all(member.sid for member in members), "the logins", 20)

    def leave(self) -> None:
        """Go, all at once and without a word."""
        for member in self.members:
            member.socket.close()
        self._selector.close()

    def join(self, room: str, members: Sequence[Member]) -> None:
        """Have ``members`` join ``room``."""
        before = {member: member.rooms for member in members}
        for member in members:
            member.join(room)
        self.read_until(
            lambda: all(member.rooms > rooms for member, rooms in before.items()), f"{room}", 20
        )

    def read_until(self, condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
        """Read what comes until ``condition`` holds; fail saying ``what`` did not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.read_some(0.05)
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come within {seconds} s")

    def read_some(self, seconds: float) -> None:
        """Read what has come, or comes within ``seconds``."""
        for key, _ in self._selector.select(seconds):
            member: Member = key.data
            member.read()
            if member.ended:
                self._selector.unregister(member.socket)

    def wait_for_events(self, count: int, seconds: float = 10.0) -> None:
        """Read until every member has ``count`` events."""
        self.read_until(
            lambda: all(len(member.events) >= count for member in self.members),
            f"{count} events for all",
            seconds,
        )
