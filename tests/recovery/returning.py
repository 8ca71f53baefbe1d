"""A client of recovery that speaks packet by packet, and so may also lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Self

from logger_lib import JsonObject, JsonValue
from tests.recovery.conftest import EVENT, RECOVERY
from tests.services.sockets import RawWebSocket

PING_SECONDS = 30.0


class Returning:
    """One client: connects, keeps its pid and its last offset, and comes back with them."""

    def __init__(self, port: int, token: str, **auth: JsonValue) -> None:
        self.port = port
        """Where it connects the next time."""
        self.auth: JsonObject = {"token": token, "recovery": True, **auth}
        self.sid = self.pid = self.offset = ""
        self.is_answered = self.recovered = False
        self.refusal: JsonObject | None = None
        self.numbers: list[int] = []
        self.news: list[str] = []
        """The names of all other events."""

        self.pings = 0
        self._socket: RawWebSocket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.vanish()

    def begin(self) -> Self:
        """Open a connection and ask to be let in; do not wait for the answer."""
        self.vanish()
        self._socket = RawWebSocket(self.port).open()
        self.is_answered = False
        told: JsonObject = {"pid": self.pid, "offset": self.offset} if self.pid else {}
        self._socket.send_text("40" + json.dumps({**told, **self.auth}))
        return self

    def come(self, *rooms: str) -> Self:
        """Connect, for the first time or again, and join ``rooms``."""
        self.begin().await_answer()
        for room in rooms:
            self.ask("join", room=room)
        return self

    def await_answer(self) -> Self:
        """Read until the server has answered what ``begin`` asked."""
        self._read_until(lambda: self.is_answered)
        return self

    def ask(self, event: str, **data: JsonValue) -> JsonValue:
        """Send an event and return its acknowledgement."""
        self._open.send_text(f'421["{event}",{json.dumps(data)}]')
        while True:
            text = self._open.receive().text
            if text.startswith("431"):
                answer: JsonValue = json.loads(text[3:])[0]
                return answer
            self._take(text)

    def vanish(self) -> None:
        """End the connection without a word."""
        if self._socket is not None:
            self._socket.socket.close()
            self._socket = None

    def close_code(self) -> int | None:
        """Wait until the server ends the connection, and return its close code."""
        return self._open.end(PING_SECONDS)

    def leave(self) -> None:
        """Say goodbye."""
        self._open.send_text("41")

    def read_one(self) -> None:
        """Read the next packet."""
        self._take(self._open.receive().text)

    def answer_ping(self) -> None:
        """Wait for the next ping and answer it."""
        seen = self.pings
        self._open.socket.settimeout(PING_SECONDS)
        self._read_until(lambda: self.pings > seen)
        # The server has read the answer when it answers what was sent after it.
        self.ask("join", room="answered")

    def read_to(self, number: int) -> list[int]:
        """Read until the event with this number has come; return all numbers so far."""
        self._read_until(lambda: number in self.numbers[-1:])
        return self.numbers

    @property
    def _open(self) -> RawWebSocket:
        assert self._socket is not None, "not connected"
        return self._socket

    def _read_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._take(self._open.receive().text)

    def _take(self, text: str) -> None:
        if text == "2":
            self.pings += 1
            self._open.send_text("3")
        elif text.startswith("40"):
            self._let_in(json.loads(text[2:]))
        elif text.startswith("44"):
            self.is_answered, self.refusal = True, json.loads(text[2:])
        elif text.startswith("42"):
            name, data, *offset = json.loads(text[2:])
            if name == EVENT:
                self.numbers.append(data["n"])
            elif name == RECOVERY:
                self.is_answered = True
            else:
                self.news.append(name)
            if offset:
                (self.offset,) = offset

    def _let_in(self, told: dict[str, str]) -> None:
        self.is_answered = self.recovered = self.pid == told["pid"]
        self.sid, self.pid = told["sid"], told["pid"]
