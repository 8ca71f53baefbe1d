"""An event of this host on its way to the others."""

from __future__ import annotations

import threading
import time

from webapp.hosts.entry import EventEntry, header_of

OVERHEAD = 1_000
"""Bytes that an event takes in memory beside its packet and its header."""


class OwnEvent:
    """An event of this host on its way: who has it, and who waits for that."""

    __slots__ = (
        "_turn",
        "_waits_for_all",
        "appended_at",
        "asked",
        "entry",
        "header",
        "known",
        "put_at",
        "replies",
        "sids",
    )

    def __init__(self, entry: EventEntry) -> None:
        self.entry = entry
        self.header = header_of(entry)
        self.put_at = time.monotonic()
        self.appended_at: float | None = None
        self.sids: tuple[str, ...] | None = None
        """The sockets here that were given it; ``None``: it is not their turn yet."""
        self.known: frozenset[str] | None = None
        """The other hosts when the stream brought it back; ``None``: it has not yet."""
        self.asked: frozenset[str] | None = None
        """Those of them whose answers are worth waiting for."""
        self.replies: dict[str, int] = {}
        """To how many sockets each other host has given it."""
        self._turn: threading.Lock | None = None
        self._waits_for_all = False

    @property
    def number(self) -> int:
        """How many events this host had published by then."""
        return self.entry.number

    @property
    def age(self) -> float:
        """How many seconds ago it was put in."""
        return time.monotonic() - self.put_at

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.entry.packet) + len(self.header) + OVERHEAD

    @property
    def is_settled(self) -> bool:
        """Whether every host that was alive has given it to its sockets."""
        return (
            self.sids is not None and self.asked is not None and self.asked <= self.replies.keys()
        )

    def await_given(self, deadline: float) -> None:
        """Return when the sockets here have it or somebody has called ``wake``, or at the end."""
        if self.sids is None:
            self._waits_for_all = False
            self._wait(deadline)

    def await_settled(self, deadline: float) -> None:
        """Return when it is settled or somebody has called ``wake``, or at the end."""
        if not self.is_settled:
            self._waits_for_all = True
            self._wait(deadline)

    def _wait(self, deadline: float) -> None:
        turn = self._turn = threading.Lock()
        turn.acquire()
        turn.acquire(timeout=max(0.0, deadline - time.monotonic()))
        self._turn = None

    def wake(self) -> None:
        """Have who waits go on."""
        if self._turn is not None and self._turn.locked():
            self._turn.release()

    def changed(self) -> None:
        """Take note of an answer, or that it was given to the sockets here."""
        if self.is_settled or (self.sids is not None and not self._waits_for_all):
            self.wake()
