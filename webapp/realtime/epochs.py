"""The epochs of the stream, and what an offset of an earlier one means now."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from webapp.realtime.kept import Kept
from webapp.realtime.offsets import Offset, Position

MAX_EPOCHS = 10_000
"""How many are remembered, about 4 MB; the first goes first. Each connection of a host begins one:
a hundred hosts whose line breaks every second begin so many while a client may be away."""

MAX_LOST = 50_000
"""How many events that the stream has lost are remembered, for all of them together."""


_LostEvent: TypeAlias = tuple[Position, str, int]
"""Where it stood, the host that published it, and its number there."""


def _position_of(lost: _LostEvent) -> Position:
    return lost[0]


@dataclass(frozen=True, slots=True)
class _Past:
    """An epoch that went on up to ``end``; behind that the stream has lost ``tail``, in order.

    That is all that stood there up to ``reach``.
    """

    end: Position
    reach: Position
    tail: Sequence[_LostEvent] = ()

    def cut(self, end: Position, lost: Sequence[_LostEvent]) -> _Past:
        """Return the epoch that ends with ``end``, as the stream has ``lost`` all behind that."""
        known = lost[: bisect_right(lost, self.end, key=_position_of)]
        return _Past(end, self.reach, [*known, *self.tail])

    def translate(self, offset: Offset) -> Offset | None:
        """Return ``offset`` without the tail; ``None`` where it is not known what it stands for."""
        if offset.position <= self.end:
            return offset
        if offset.position > self.reach:
            return None
        seen = self.tail[: bisect_right(self.tail, offset.position, key=_position_of)]
        ahead: dict[str, int] = {}
        for _, host, number in seen:
            ahead[host] = number
        return replace(offset, position=self.end).and_ahead(ahead)


class Epochs:
    """Which epochs there were, each beginning where the stream had come to by then.

    None has ended behind a later one.
    """

    def __init__(self, epoch: str) -> None:
        self.present = epoch
        self._past: OrderedDict[str, _Past] = OrderedDict()

    def knows(self, epoch: str) -> bool:
        """Say whether it is the present one, or one before that."""
        return epoch == self.present or epoch in self._past

    def begin(self, epoch: str, end: Position) -> None:
        """Begin an epoch; the present one went on up to ``end``, or ended before."""
        if self._past and next(reversed(self._past.values())).end > end:
            # Where the stream is another one, what was said of it beyond that means nothing.
            for each, past in self._past.items():
                if past.end > end:
                    self._past[each] = _Past(end, end)
        self._past.setdefault(self.present, _Past(end, end))
        self.present = epoch
        if len(self._past) > MAX_EPOCHS:
            self._past.popitem(last=False)

    def cut(self, end: Position, reach: Position, lost: Sequence[Kept]) -> None:
        """End the present epoch with ``end``, as the stream has ``lost`` all up to ``reach``."""
        tail = [(kept.position, kept.origin, kept.early) for kept in lost]
        self._past.setdefault(self.present, _Past(reach, reach))
        bounded: list[tuple[str, _Past]] = []
        room = MAX_LOST
        for epoch, past in reversed(self._past.items()):
            # Of the epochs before, too, nothing is there beyond that.
            cut = past.cut(end, tail) if past.end > end else past
            room -= len(cut.tail)
            if room < 0:
                break
            bounded.append((epoch, cut))
        self._past = OrderedDict(reversed(bounded))

    def translate(self, offset: Offset) -> Offset | None:
        """Return ``offset`` in terms of the present epoch; ``None`` where that cannot be said."""
        past = self._past.get(offset.epoch)
        if past is None:
            return offset if offset.epoch == self.present else None
        # No later one has ended before it, so that they have nothing to add.
        meant = past.translate(offset)
        return None if meant is None else replace(meant, epoch=self.present)
