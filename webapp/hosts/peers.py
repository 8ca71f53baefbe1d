"""The other hosts: which of them are alive, as far as their heartbeats tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from webapp.hosts.entry import AppRoom

BEAT_SECONDS = 2.0
"""How often a host says that it is alive."""

QUIET_SECONDS = 5.0
"""How long a host may say nothing until nobody waits for its answers."""

LATE_SECONDS = 1.0
"""How long nobody waits for a host whose answer did not come in time, unless it is prompt again."""

PROMPT_SECONDS = 0.1
"""How long an event may have taken to others and back for the next one to be waited for again."""

DEAD_SECONDS = 10.0
"""How long a host may say nothing until it is taken for dead."""

MAX_GONE = 1_000
"""Of how many hosts it is known that they ended in order; the one that ended first is forgotten."""

MAX_HOSTS = 1_000
"""How many are known at a time; more than that are not waited for."""


class _Tried(NamedTuple):
    """The event whose answer tells whether a late host is prompt again."""

    number: int
    put_at: float


@dataclass(slots=True)
class _Peer:
    heard_at: float
    watched: frozenset[AppRoom] | None = frozenset()
    late_until: float = 0.0
    tried: _Tried | None = None


class Peers:
    """What is known of the other hosts. Times are monotonic seconds."""

    def __init__(self, host: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._peers: dict[str, _Peer] = {}
        self._gone: dict[str, None] = {}
        self.died = 0
        """How many went without a word."""

    def __len__(self) -> int:
        """Return how many are alive."""
        return len(self._peers)

    @property
    def names(self) -> frozenset[str]:
        """Those that are not known to be gone."""
        return frozenset(self._peers)

    def prompt(self) -> frozenset[str]:
        """Return those whose answers are worth waiting for.

        They were heard of lately, and have not just been waited for in vain.
        """
        now = self._clock()
        return frozenset(
            name
            for name, peer in self._peers.items()
            if peer.heard_at > now - QUIET_SECONDS and peer.late_until <= now
        )

    def late(self, names: frozenset[str]) -> None:
        """Take note that the answers of these hosts did not come in time."""
        until = self._clock() + LATE_SECONDS
        for name in names & self._peers.keys():
            self._peers[name].late_until = until
            self._peers[name].tried = None

    def sent(self, number: int, put_at: float) -> None:
        """Take note that all hosts are given the event ``number``, which was put in then.

        Those that are late are tried by it, unless another one is on its way to them.
        """
        now = self._clock()
        for peer in self._peers.values():
            if peer.late_until > now and peer.tried is None:
                peer.tried = _Tried(number, put_at)

    def replied(self, name: str, number: int) -> None:
        """Take note that a host has the event ``number``; one that is prompt is not late."""
        peer = self._peers.get(name)
        if peer is not None and peer.tried is not None and number >= peer.tried.number:
            if self._clock() - peer.tried.put_at < PROMPT_SECONDS:
                peer.late_until = 0.0
            peer.tried = None

    def alive(self, name: str, watched: frozenset[AppRoom] | None, age: float = 0.0) -> None:
        """Take note of a heartbeat of ``age`` seconds ago.

        Of this host's own none is taken, nor of one that has ended: each has a new name when it
        comes again.
        """
        if name == self._host or name in self._gone or age > DEAD_SECONDS:
            return
        heard_at = self._clock() - age
        peer = self._peers.get(name)
        if peer is not None:
            # An old one that is read late does not make it older than it is known to be.
            peer.heard_at, peer.watched = max(peer.heard_at, heard_at), watched
        elif len(self._peers) < MAX_HOSTS:
            self._peers[name] = _Peer(heard_at, watched)

    def answered(self, name: str) -> None:
        """Take note that a host has said something."""
        peer = self._peers.get(name)
        if peer is not None:
            peer.heard_at = self._clock()

    def gone(self, name: str) -> None:
        """Take note that a host has ended in order."""
        self._peers.pop(name, None)
        self._gone[name] = None
        if len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]

    def bury(self) -> list[str]:
        """Forget those that are dead; return their names."""
        horizon = self._clock() - DEAD_SECONDS
        dead = [name for name, peer in self._peers.items() if peer.heard_at <= horizon]
        for name in dead:
            del self._peers[name]
        self.died += len(dead)
        return dead

    def heard_nobody(self) -> None:
        """Take note that this host was deaf: who said nothing then may have said it all."""
        now = self._clock()
        for peer in self._peers.values():
            peer.heard_at = now

    def watches(self, app_id: str, room: str) -> bool:
        """Say whether somebody may watch what is shown in a room of an app, on another host."""
        for peer in self._peers.values():
            watched = peer.watched
            # Asked for each event, and mostly nobody does.
            if watched is None or (watched and (app_id, room) in watched):
                return True
        return False
