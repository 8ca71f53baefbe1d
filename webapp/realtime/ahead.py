"""Events that sockets here were given and the stream has not: not yet, or not any more."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from webapp.realtime.kept import Kept
from webapp.realtime.offsets import BEGINNING, Offset, Position

MAX_HOSTS = 10_000
"""Of how many hosts it is known how far the stream was read; the one longest not heard of goes."""

_Came = tuple[float, Kept]
_NEVER: Position = (2**64, 0)
"""Behind all positions."""


@dataclass(slots=True)
class _Lost:
    """Of a host all up to ``number`` may be missing for who has not come up to ``position``."""

    number: int
    at: float
    position: Position = _NEVER


class AheadOfStream:
    """Keeps those events, by the host that published each, until the stream brings them.

    A host's events stand in the stream in the order of their numbers: when one has come, those
    before it that have not never will. ``seconds`` is how long anybody may be away.
    """

    def __init__(self, host: str, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self._events: dict[str, deque[_Came]] = {}
        self._ids: set[str] = set()
        self._given: dict[str, tuple[int, float]] = {}
        self._passed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lost: dict[str, _Lost] = {}
        self.size = 0
        self.given_up = 0
        """How many went away that somebody may have come back for."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ids)

    def has(self, event_id: str) -> bool:
        """Say whether this event is among them."""
        return event_id in self._ids

    @property
    def is_even(self) -> bool:
        """Whether sockets here were given nothing but what the stream has."""
        return not self._given

    def numbers(self, now: float) -> dict[str, int]:
        """Return up to which number of each host, ahead of the stream, sockets here were given."""
        for host, (_, at) in list(self._given.items()):
            # Another host may be dead. What this one still has to say it knows.
            if host != self._host and at + self._seconds <= now:
                del self._given[host]
        return {host: number for host, (number, _) in self._given.items()}

    def number_of(self, host: str) -> int:
        """Return up to which number sockets here were given events of ``host``."""
        return max(self._given.get(host, (0, 0.0))[0], self._passed.get(host, (0, 0.0))[0])

    def add(self, now: float, kept: Kept) -> None:
        """Keep an event whose number is higher than all of its origin before."""
        self._given[kept.origin] = kept.early, now
        self._append(now, kept)

    def _append(self, came_at: float, kept: Kept) -> None:
        self._events.setdefault(kept.origin, deque()).append((came_at, kept))
        self._ids.add(kept.event_id)
        self.size += kept.size

    def passed(self, now: float, kept: Kept) -> None:
        """Take note that an event stands in the stream."""
        host, number = kept.origin, kept.early
        while host in self._events and self._events[host][0][1].early < number:
            self._lose(host, now)
        if host in self._events and self._events[host][0][1].early == number:
            self._pop(host)
        if number > self._passed.get(host, (0, 0.0))[0]:
            self._note_passed(host, number, now)
        if self._given.get(host, (number + 1, 0.0))[0] <= number:
            del self._given[host]
        lost = self._lost.get(host)
        if lost is not None and lost.number < number:
            lost.position = min(lost.position, kept.position)

    def _note_passed(self, host: str, number: int, now: float) -> None:
        self._passed[host] = number, now
        self._passed.move_to_end(host)
        if len(self._passed) > MAX_HOSTS:
            self._passed.popitem(last=False)

    def take_back(self, events: Collection[_Came], now: float) -> None:
        """Keep events that have stood in the stream, all behind some position, in their order."""
        later, self._events = self._events, {}
        self._ids.clear()
        self.size = 0
        for came_at, kept in events:
            if kept.origin not in self._events:
                self._take_back_host(kept.origin, kept.early - 1, now)
            self._append(came_at, kept)
        for early in later.values():
            for came_at, kept in early:
                self._append(came_at, kept)

    def take_back_hosts(self, now: float) -> None:
        """Take note that all that has passed may come again, while it is not known what has."""
        for host, (_, at) in list(self._passed.items()):
            if now < at + self._seconds:
                self._take_back_host(host, 0, now)

    def _take_back_host(self, host: str, number: int, now: float) -> None:
        self._given[host] = self.number_of(host), now
        self._note_passed(host, number, now)

    def give_up(self, host: str, number: int, now: float) -> None:
        """Take note that those of ``host`` up to ``number`` will never stand in the stream."""
        while host in self._events and self._events[host][0][1].early <= number:
            self._lose(host, now)

    def give_up_oldest(self, now: float) -> None:
        """Give the oldest one up."""
        self._lose(min(self._events, key=lambda host: self._events[host][0][0]), now)

    def drop_old(self, now: float) -> None:
        """Let go of what nobody can come back for any more."""
        if not self._events:
            return
        for host in list(self._events):
            while host in self._events and self._events[host][0][0] <= now - self._seconds:
                self._pop(host)

    def _lose(self, host: str, now: float) -> None:
        self._lost[host] = _Lost(self._pop(host).early, now)
        self.given_up += 1

    def _pop(self, host: str) -> Kept:
        _, kept = self._events[host].popleft()
        if not self._events[host]:
            del self._events[host]
        self._ids.remove(kept.event_id)
        self.size -= kept.size
        return kept

    def has_lost(self, offset: Offset, now: float) -> bool:
        """Say whether anything went away that who has ``offset`` may have missed."""
        for host in [each for each, lost in self._lost.items() if lost.at + self._seconds <= now]:
            # Nobody is away for longer than that, and who is here has seen them.
            del self._lost[host]
        return any(
            offset.number_of(host) < lost.number and offset.position < lost.position
            for host, lost in self._lost.items()
        )

    def behind(self, app_id: str, offset: Offset) -> Iterator[Kept]:
        """Yield those of the app that who has ``offset`` has not had, in their order."""
        unseen = [self._behind(host, offset.number_of(host)) for host in self._events]
        for kept in heapq.merge(*unseen, key=_order_of):
            if kept.app_id == app_id:
                yield kept

    def _behind(self, host: str, number: int) -> Iterator[Kept]:
        events = self._events[host]
        begin = bisect_right(events, number, key=_number_of)
        return (kept for _, kept in islice(events, begin, None))


def _number_of(came: _Came) -> int:
    return came[1].early


def _order_of(kept: Kept) -> Position:
    # What has never stood in the stream came when it could not be reached: last.
    return _NEVER if kept.position == BEGINNING else kept.position
