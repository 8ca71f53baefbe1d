"""Publishers that enter every event into a ledger before they send it."""

import json
import socket
import threading
import time
from types import TracebackType
from typing import Self

from logger_lib import JsonObject
from tests.services.ledger import Entry, Ledger

SECONDS = 15.0
"""How long an answer may take."""
PAUSE = 0.02
"""Seconds until the next try where nobody listens, or where a 503 was answered."""
READ_BYTES = 65_536


class Publishers:
    """``count`` connections, each of which publishes when the last answer is in.

    With ``rate`` they publish so many events a second together. One that is cut off connects again.
    Without ``keep_alive`` each event has a connection of its own: whoever closes one that is kept
    may miss what is just being sent. Where they are ``persistent`` each sends the same again until
    it is acknowledged. ``first`` is the number of the first of them in the ledger.
    """

    def __init__(
        self,
        port: int,
        key: str,
        ledger: Ledger,
        *,
        count: int = 4,
        rate: float | None = None,
        room: str | None = None,
        keep_alive: bool = True,
        persistent: bool = False,
        first: int = 0,
    ) -> None:
        self._port = port
        self._key = key
        self._ledger = ledger
        self._room = room
        self._keep_alive = keep_alive
        self._persistent = persistent
        self._interval = count / rate if rate else 0.0
        self._ended = threading.Event()
        self.problems: list[str] = []
        """Why events have no answer."""
        self.repeated = 0
        """How many calls were made for what had been sent before."""
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"publisher-{number}")
            for number in range(first, first + count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Wait for the answers to what was sent, and end."""
        self._ended.set()
        for thread in self._threads:
            thread.join(SECONDS + 5)
            assert not thread.is_alive(), thread

    def _run(self, publisher: int) -> None:
        connection: socket.socket | None = None
        entry: Entry | None = None
        due = time.monotonic() + self._interval * publisher / len(self._threads)
        try:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                connection = connection or self._connect()
                if connection is None:
                    self._ended.wait(PAUSE)
                    continue
                due = max(due + self._interval, time.monotonic() - self._interval)
                entry = self._next(entry, publisher)
                connection = self._publish(connection, entry)
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self._port), SECONDS)
        except OSError:
            return None

    def _next(self, last: Entry | None, publisher: int) -> Entry:
        """Return what is sent after ``last``."""
        if self._persistent and last is not None and not last.acknowledged:
            self.repeated += 1
            return last
        return self._ledger.issue(publisher)

    def _publish(self, connection: socket.socket, entry: Entry) -> socket.socket | None:
        """Publish one event; return the connection where it is still good."""
        try:
            connection.sendall(self._request(entry))
            status, head, body = _answer(connection)
        except OSError as error:
            self.problems.append(f"{type(error).__name__}: {error}")
            connection.close()
            return None
        fields = _fields(head)
        self._ledger.answered(entry, status, body, fields.get("retry-after", ""))
        if status != 202:
            self._ended.wait(PAUSE)
        if not self._keep_alive or fields.get("connection") == "close":
            connection.close()
            return None
        return connection

    def _call(self, entry: Entry) -> tuple[str, JsonObject]:
        """Return the path and the body by which an event is published."""
        about: JsonObject = {} if self._room is None else {"room": self._room}
        return "/events", {
            "event": self._ledger.event,
            "data": self._ledger.data_of(entry),
            **about,
        }

    def _request(self, entry: Entry) -> bytes:
        path, sent = self._call(entry)
        body = json.dumps(sent)
        close = "" if self._keep_alive else "Connection: close\r\n"
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\n{close}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def _answer(connection: socket.socket) -> tuple[int, str, bytes]:
    """Return status, head and body; raises ``OSError`` where they do not come whole."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            text = head.decode("latin-1")
            length = int(_fields(text)["content-length"])
            if len(body) >= length:
                return int(text[9:12]), text, body
        data = connection.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError(f"closed after {received!r}")
        received += data


def _fields(head: str) -> dict[str, str]:
    lines = head.split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
