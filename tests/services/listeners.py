"""Sockets that note what they get and when, read by a thread of their own."""

import json
import threading
import time
from types import TracebackType
from typing import Self

from tests.services.crowd import Crowd
from tests.services.herald import wait_until
from tests.services.ledger import Arrivals, Ledger


class Listeners:
    """``count`` sockets, in ``room`` where one is given, for as long as a ``with`` block."""

    def __init__(
        self, port: int, key: str, ledger: Ledger, *, count: int, room: str | None = None
    ) -> None:
        self._ledger = ledger
        self._start = f'42["{ledger.event}",'
        self.crowd = Crowd(port, count, key)
        if room is not None:
            self.crowd.join(room, self.crowd.members)
        self.sockets = [Arrivals() for _ in range(count)]
        self._ended = threading.Event()
        self._problem: Exception | AssertionError | None = None
        self._thread = threading.Thread(target=self._read, name="listeners")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(10)
        self.crowd.leave()
        if self._problem is not None:
            raise self._problem

    @property
    def connected(self) -> int:
        """How many sockets are."""
        return sum(not member.ended for member in self.crowd.members)

    def await_all(self, seconds: float = 5.0) -> None:
        """Wait until every socket has got as many events as were acknowledged, or for so long."""
        wanted = sum(entry.acknowledged for entry in self._ledger.entries)
        deadline = time.monotonic() + seconds
        wait_until(
            lambda: (
                all(len(arrived.numbers) >= wanted for arrived in self.sockets)
                or time.monotonic() > deadline
            ),
            "the deliveries",
            seconds + 5,
        )

    def _read(self) -> None:
        try:
            while not self._ended.is_set():
                self.crowd.read_some(0.05)
                self._take()
        except (OSError, AssertionError) as error:
            self._problem = error

    def _take(self) -> None:
        now = time.monotonic()
        for member, arrived in zip(self.crowd.members, self.sockets, strict=True):
            if member.events:
                taken, member.events = member.events, []
                for text in taken:
                    assert text.startswith(self._start), text
                    arrived.numbers.append(int(json.loads(text[len(self._start) : -1])["n"]))
                    arrived.times.append(now)
