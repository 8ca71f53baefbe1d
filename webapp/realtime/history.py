"""The last events, in the order in which sockets got them, for clients that come back."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import TypeVar

from webapp.realtime.app_events import AppEvents
from webapp.realtime.offsets import BEGINNING, Offset, Position

Value = TypeVar("Value")

MAX_EVENTS = 20_000
MAX_BYTES = 64 * 1_048_576
"""What is kept of all apps; the oldest is given up first. Of one app it is half of that."""

OVERHEAD = 500
"""Bytes that an event takes beside its packet."""

MAX_REMEMBERED = 10_000
"""Of how many apps it is known from where on their events are kept, and of how many hosts what
they delivered early; the one that was longest not heard of counts as given up with."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One event, as it is kept for who comes back."""

    position: Position
    event_id: str
    app_id: str
    name: str
    at: datetime
    rooms: tuple[str, ...]
    excluded: frozenset[str]
    packet: str
    """The Socket.IO packet as text, without the offset."""

    origin: str = ""
    """The host that published it."""

    early: int = 0
    """Its number among those of its origin that may be delivered before the stream has them; 0: it
    may not."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.packet) + OVERHEAD


class History:
    """The events of the last ``seconds`` in one order, bounded by count and bytes too.

    ``host`` is the name of this host. All of an ``epoch`` behind ``start`` is added in order.
    """

    def __init__(
        self,
        host: str,
        epoch: str,
        seconds: float,
        *,
        start: Position = BEGINNING,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.seconds = seconds
        self.given_up = 0
        """How many events were given up before their time, as there was no room."""

        self._max_events = max_events
        self._max_bytes = max_bytes
        self._clock = clock
        self._early: deque[tuple[float, Kept]] = deque()
        self._early_ids: set[str] = set()
        self._early_size = 0
        self._last_early = 0
        self._early_lost = 0
        self._lost_at = -math.inf
        self._passed: OrderedDict[str, int] = OrderedDict()
        self.restart(epoch, start)

    def restart(self, epoch: str, start: Position = BEGINNING) -> None:
        """Begin anew: nothing that was before can be recovered, but what was delivered early."""
        self._epoch = epoch
        self._position = start
        self._begin = start
        self._apps: dict[str, AppEvents] = {}
        self._order: OrderedDict[Position, str] = OrderedDict()
        self._ids: set[str] = set()
        self._size = 0
        self._floors: OrderedDict[str, Position] = OrderedDict()

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._order) + len(self._early)

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        return self._size + self._early_size

    def has(self, event_id: str) -> bool:
        """Say whether this event is kept, with a position or early."""
        return event_id in self._ids or event_id in self._early_ids

    @property
    def position(self) -> Position:
        """Where the last event stands that was added."""
        return self._position

    @property
    def head(self) -> str:
        """The offset of who has seen all until now."""
        if self._last_early > self._passed.get(self.host, 0):
            return str(Offset(self._epoch, self._position, self.host, self._last_early))
        return str(Offset(self._epoch, self._position))

    def add(self, kept: Kept) -> str:
        """Keep an event that stands behind all that were added; return the offset with it.

        One that was delivered early has its position now. One that is kept already is left out.
        """
        if kept.event_id in self._ids:
            return self.head
        self._take_early(kept)
        self._position = max(self._position, kept.position)
        app = self._apps.setdefault(kept.app_id, AppEvents())
        app.append(self._clock(), kept)
        self._order[kept.position] = kept.app_id
        self._ids.add(kept.event_id)
        self._size += kept.size
        self._drop_old()
        self._make_room(app, kept.app_id)
        return self.head

    def _take_early(self, kept: Kept) -> None:
        """Take note that an event stands in the stream which its origin delivered early."""
        if not kept.early:
            return
        self._note(self._passed, kept.origin, max(self._passed.get(kept.origin, 0), kept.early))
        if kept.event_id not in self._early_ids:
            return
        while self._early and self._early[0][1].early < kept.early:
            # The stream has them in their order: those before it will not come.
            self._lose_early()
        self._pop_early()

    def add_early(self, kept: Kept) -> str:
        """Keep an event that sockets here get before the stream has it; return the offset with it.

        Its ``early`` is higher than that of all before, its position is ``BEGINNING``.
        """
        self._last_early = kept.early
        self._early.append((self._clock(), kept))
        self._early_ids.add(kept.event_id)
        self._early_size += kept.size
        self._drop_old()
        while self.size > self._max_bytes or len(self) > self._max_events:
            if not self._order:
                self._lose_early()
                continue
            self._drop(next(iter(self._order.values())))
            self.given_up += 1
        return self.head

    def give_up_early(self, early: int) -> None:
        """Take note that those up to number ``early`` will never stand in the stream."""
        while self._early and self._early[0][1].early <= early:
            self._lose_early()

    def _lose_early(self) -> None:
        self._early_lost = self._pop_early().early
        self._lost_at = self._clock()
        self.given_up += 1

    def _pop_early(self) -> Kept:
        _, kept = self._early.popleft()
        self._early_ids.remove(kept.event_id)
        self._early_size -= kept.size
        return kept

    def is_of(self, offset: Offset) -> bool:
        """Say whether ``offset`` is of this epoch."""
        return offset.epoch == self._epoch

    def is_ahead(self, offset: Offset) -> bool:
        """Say whether ``offset`` tells of more than this host has heard of yet."""
        if offset.epoch != self._epoch:
            return False
        return offset.position > self._position or self._awaits(offset)

    def _awaits(self, offset: Offset) -> bool:
        """Say whether what another host delivered early has not come here in its place yet."""
        if offset.host == self.host:
            return offset.early > self._last_early
        return offset.early > self._passed.get(offset.host, 0)

    def after(self, app_id: str, offset: Offset, most: int | None = None) -> Sequence[Kept] | None:
        """Return all events of the app that who has ``offset`` has not seen, in order.

        Of more than ``most`` the first ones. ``None`` where they are not all here: some
        are too old, or this host has not come so far.
        """
        self._drop_old()
        if offset.epoch != self._epoch or self.is_ahead(offset) or self._has_lost(app_id, offset):
            return None
        # No more of them are looked at than it takes: there may be very many that it has seen.
        missed = chain(self._in_place(app_id, offset), self._early_behind(app_id, offset))
        return list(islice(missed, most))

    def _in_place(self, app_id: str, offset: Offset) -> Iterator[Kept]:
        app = self._apps.get(app_id)
        behind = app.behind(offset.position) if app else ()
        return (kept for kept in behind if _is_new(kept, offset))

    def _early_behind(self, app_id: str, offset: Offset) -> Iterator[Kept]:
        """Yield what was delivered early here, and has no position yet."""
        seen = offset.early if offset.host == self.host else 0
        begin = bisect_right(self._early, seen, key=_number_of)
        for _, kept in islice(self._early, begin, None):
            if kept.app_id == app_id:
                yield kept

    def offset_after(self, kept: Kept, before: Offset) -> Offset:
        """Return the offset of who has got ``kept`` next, of what is behind ``before``."""
        if kept.event_id in self._early_ids:
            return Offset(self._epoch, self._position, self.host, kept.early)
        return Offset(self._epoch, kept.position, before.host, before.early)

    def _has_lost(self, app_id: str, offset: Offset) -> bool:
        if offset.position < max(self._begin, self._floors.get(app_id, BEGINNING)):
            return True
        seen = offset.early if offset.host == self.host else 0
        # Nobody is away for longer than that, and who is here has seen them.
        return seen < self._early_lost and self._clock() < self._lost_at + self.seconds

    def _drop_old(self) -> None:
        horizon = self._clock() - self.seconds
        while self._order:
            app_id = next(iter(self._order.values()))
            if self._apps[app_id].oldest_at > horizon:
                break
            self._drop(app_id)
        while self._early and self._early[0][0] <= horizon:
            self._lose_early()

    def _make_room(self, app: AppEvents, app_id: str) -> None:
        # One app must not push out what the others need.
        while len(app) * 2 > self._max_events or app.size * 2 > self._max_bytes:
            self._drop(app_id)
            self.given_up += 1
        while len(self._order) > self._max_events or self._size > self._max_bytes:
            self._drop(next(iter(self._order.values())))
            self.given_up += 1

    def _drop(self, app_id: str) -> None:
        """Give up the oldest event of an app."""
        app = self._apps[app_id]
        kept = app.drop_oldest()
        self._size -= kept.size
        del self._order[kept.position]
        self._ids.remove(kept.event_id)
        if not app:
            del self._apps[app_id]
        forgotten = self._note(self._floors, app_id, kept.position)
        if forgotten is not None:
            self._begin = max(self._begin, forgotten)

    @staticmethod
    def _note(notes: OrderedDict[str, Value], key: str, value: Value) -> Value | None:
        """Note ``value``; return the oldest one that had to be forgotten for it."""
        notes[key] = value
        notes.move_to_end(key)
        return notes.popitem(last=False)[1] if len(notes) > MAX_REMEMBERED else None


def _is_new(kept: Kept, offset: Offset) -> bool:
    """Say whether an event is none of those that ``offset`` tells of as delivered early."""
    return not kept.early or kept.origin != offset.host or kept.early > offset.early


def _number_of(early: tuple[float, Kept]) -> int:
    return early[1].early
