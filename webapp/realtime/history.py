"""The last events, in the order in which sockets got them, for clients that come back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from webapp.realtime.ahead import AheadOfStream
from webapp.realtime.app_events import AppEvents
from webapp.realtime.epochs import Epochs
from webapp.realtime.kept import Kept
from webapp.realtime.offsets import BEGINNING, MAX_AHEAD, UNKNOWN_EPOCH, Offset, Position

Value = TypeVar("Value")

MAX_EVENTS = 20_000
MAX_BYTES = 64 * 1_048_576
"""What is kept of all apps; the oldest is given up first. Of one app it is half of that."""

MAX_REMEMBERED = 10_000
"""Of how many apps it is known from where on their events are kept; the one that was longest not
heard of counts as given up with."""


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
        self._given_up = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._clock = clock
        self._ahead = AheadOfStream(host, seconds)
        self._epochs = Epochs(epoch)
        self.restart(epoch, start)

    def restart(self, epoch: str, start: Position = BEGINNING) -> None:
        """Begin anew: nothing of the stream that was before can be recovered."""
        self._epochs = Epochs(epoch)
        self.begin_behind(start)

    def begin_behind(self, start: Position) -> None:
        """Give up all that has a position: of what is before ``start`` nobody knows the whole."""
        self._position = start
        self._begin = start
        self._apps: dict[str, AppEvents] = {}
        self._order: OrderedDict[Position, str] = OrderedDict()
        self._ids: set[str] = set()
        self._size = 0
        self._floors: OrderedDict[str, Position] = OrderedDict()

    def turn(self, epoch: str, start: Position) -> None:
        """Take note that the stream goes on behind ``start`` in another epoch."""
        self._position = max(self._position, start)
        self._epochs.begin(epoch, start)

    def cut(self, end: Position) -> None:
        """Take note that the stream has lost what stood behind ``end``, and may have it again.

        It counts as delivered early: sockets here have had it, and the stream has it not.
        """
        now, reach = self._clock(), self._position
        if end >= reach:
            return
        if max(self._begin, *self._floors.values(), BEGINNING) > end:
            # Nobody can tell any more what all of it was; who was away is told so.
            self._epochs.cut(end, end, ())
            self._ahead.take_back_hosts(now)
            self.begin_behind((end[0], end[1] + 1))
            return
        lost = sorted(self._take_behind(end), key=_position_of)
        self._epochs.cut(end, reach, [kept for _, kept in lost])
        self._ahead.take_back(lost, now)
        self._position = end

    def _take_behind(self, position: Position) -> Iterator[tuple[float, Kept]]:
        for app_id, app in list(self._apps.items()):
            for came_at, kept in app.take_behind(position):
                del self._order[kept.position]
                self._ids.remove(kept.event_id)
                self._size -= kept.size
                yield came_at, kept
            if not app:
                del self._apps[app_id]

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._order) + len(self._ahead)

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        return self._size + self._ahead.size

    def has(self, event_id: str) -> bool:
        """Say whether this event is kept, with a position or early."""
        return event_id in self._ids or self._ahead.has(event_id)

    @property
    def position(self) -> Position:
        """Where the last event stands that was added."""
        return self._position

    @property
    def latest(self) -> Offset:
        """The offset of who has had all until now."""
        if self._ahead.is_even:
            return Offset(self._epochs.present, self._position)
        ahead = self._ahead.numbers(self._clock())
        if len(ahead) > MAX_AHEAD:
            return Offset(UNKNOWN_EPOCH, self._position)
        return Offset(self._epochs.present, self._position, tuple(ahead.items()))

    @property
    def head(self) -> str:
        """The offset of who has had all until now, as text."""
        return str(self.latest)

    def add(self, kept: Kept) -> str:
        """Keep an event that stands behind all that were added; return the offset with it.

        One that was delivered early has its position now. One that is kept already is left out.
        """
        if kept.event_id in self._ids:
            return self.head
        if kept.early:
            self._ahead.passed(self._clock(), kept)
        self._position = max(self._position, kept.position)
        app = self._apps.setdefault(kept.app_id, AppEvents())
        app.append(self._clock(), kept)
        self._order[kept.position] = kept.app_id
        self._ids.add(kept.event_id)
        self._size += kept.size
        self._drop_old()
        self._make_room(app, kept.app_id)
        return self.head

    def add_early(self, kept: Kept) -> str:
        """Keep an event that sockets here get before the stream has it; return the offset with it.

        Its ``early`` is higher than that of all before, its position is ``BEGINNING``.
        """
        now = self._clock()
        self._ahead.add(now, kept)
        self._drop_old()
        while self.size > self._max_bytes or len(self) > self._max_events:
            if not self._order:
                self._ahead.give_up_oldest(now)
                continue
            self._drop(next(iter(self._order.values())))
            self._given_up += 1
        return self.head

    def give_up_early(self, early: int) -> None:
        """Take note that those up to number ``early`` will never stand in the stream."""
        self._ahead.give_up(self.host, early, self._clock())

    @property
    def given_up(self) -> int:
        """How many events were given up before their time, as there was no room."""
        return self._given_up + self._ahead.given_up

    def knows(self, epoch: str) -> bool:
        """Say whether the stream has this epoch, or had it."""
        return self._epochs.knows(epoch)

    def translate(self, offset: Offset) -> Offset | None:
        """Return ``offset`` in the present epoch; ``None`` where this host cannot tell."""
        return self._epochs.translate(offset)

    def is_ahead(self, offset: Offset) -> bool:
        """Say whether ``offset`` tells of more than this host has heard of yet."""
        known = self.translate(offset)
        return known is None or self._is_ahead(known)

    def _is_ahead(self, known: Offset) -> bool:
        # What another host delivered early may not have come here in its place yet.
        return known.position > self._position or any(
            number > self._ahead.number_of(host) for host, number in known.ahead
        )

    def is_behind(self, kept: Kept, offset: Offset) -> bool:
        """Say whether an event came after all that ``offset`` tells of."""
        known = self.translate(offset) or offset
        return (self._ahead.has(kept.event_id) or kept.position > known.position) and _is_new(
            kept, known
        )

    def after(self, app_id: str, offset: Offset, most: int | None = None) -> Sequence[Kept] | None:
        """Return all events of the app that who has ``offset`` has not seen, in order.

        Of more than ``most`` the first ones. ``None`` where they are not all here: some
        are too old, or this host has not come so far.
        """
        self._drop_old()
        known = self.translate(offset)
        if known is None or self._is_ahead(known) or self._has_lost(app_id, known):
            return None
        # No more of them are looked at than it takes: there may be very many that it has seen.
        missed = chain(self._in_place(app_id, known), self._ahead.behind(app_id, known))
        return list(islice(missed, most))

    def _in_place(self, app_id: str, offset: Offset) -> Iterator[Kept]:
        app = self._apps.get(app_id)
        behind = app.behind(offset.position) if app else ()
        return (kept for kept in behind if _is_new(kept, offset))

    def offset_after(self, kept: Kept, before: Offset) -> Offset:
        """Return the offset of who has got ``kept`` next, of what is behind ``before``."""
        known = self.translate(before) or before
        if self._ahead.has(kept.event_id):
            had = Offset(known.epoch, self._position, known.ahead)
            return had.and_ahead({kept.origin: kept.early})
        return Offset(known.epoch, kept.position, known.ahead)

    def _has_lost(self, app_id: str, offset: Offset) -> bool:
        if offset.position < max(self._begin, self._floors.get(app_id, BEGINNING)):
            return True
        return self._ahead.has_lost(offset, self._clock())

    def _drop_old(self) -> None:
        now = self._clock()
        horizon = now - self.seconds
        while self._order:
            app_id = next(iter(self._order.values()))
            if self._apps[app_id].oldest_at > horizon:
                break
            self._drop(app_id)
        self._ahead.drop_old(now)

    def _make_room(self, app: AppEvents, app_id: str) -> None:
        # One app must not push out what the others need.
        while len(app) * 2 > self._max_events or app.size * 2 > self._max_bytes:
            self._drop(app_id)
            self._given_up += 1
        while len(self._order) > self._max_events or self._size > self._max_bytes:
            self._drop(next(iter(self._order.values())))
            self._given_up += 1

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
    return not kept.early or kept.early > offset.number_of(kept.origin)


def _position_of(came: tuple[float, Kept]) -> Position:
    return came[1].position
