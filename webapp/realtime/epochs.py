"""The epochs of the stream, and what an offset of an earlier one means now."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from webapp.realtime.kept import Kept
from webapp.realtime.offsets import Offset, Position

MAX_EPOCHS = 100
MAX_LOST = 50_000
"""How many epochs are remembered, and events that the stream has lost; the first goes first."""


@dataclass(frozen=True, slots=True)
class _Past:
    """An epoch that went on up to ``end``; behind that the stream has lost ``tail``, in order.

    That is all that stood there up to ``reach``.
    """

    end: Position
    reach: Position
    tail: Sequence[tuple[Position, str, int]] = ()

    def translate(self, offset: Offset) -> Offset | None:
        """Return ``offset`` without the tail; ``None`` where it is not known what it stands for."""
        if offset.position <= self.end:
            return offset
        if offset.position > self.reach:
            return None
        seen = self.tail[: bisect_right(self.tail, offset.position, key=lambda lost: lost[0])]
        ahead: dict[str, int] = {}
        for _, host, number in seen:
            ahead[host] = number
        return replace(offset, position=self.end).and_ahead(ahead)


class Epochs:
    """Which epochs there were, each beginning where the stream had come to by then."""

    def __init__(self, epoch: str) -> None:
        self.present = epoch
        self._past: OrderedDict[str, _Past] = OrderedDict()

    def knows(self, epoch: str) -> bool:
        """Say whether it is the present one, or one before that."""
        return epoch == self.present or epoch in self._past

    def begin(self, epoch: str, end: Position) -> None:
        """Begin an epoch; the present one went on up to ``end``, or ended before."""
        self._past.setdefault(self.present, _Past(end, end))
        self.present = epoch
        self._bound()

    def cut(self, end: Position, reach: Position, lost: Sequence[Kept]) -> None:
        """End the present epoch with ``end``, as the stream has ``lost`` all up to ``reach``."""
        tail = [(kept.position, kept.origin, kept.early) for kept in lost]
        present = self._past.pop(self.present, _Past(reach, reach))
        self._past[self.present] = present
        for epoch, past in self._past.items():
            # Of the epochs before, too, nothing is there beyond that.
            if past.end > end:
                known = [each for each in tail if each[0] <= past.end]
                self._past[epoch] = _Past(end, past.reach, [*known, *past.tail])
        self._bound()

    def _bound(self) -> None:
        lost = sum(len(past.tail) for past in self._past.values())
        while len(self._past) > MAX_EPOCHS or lost > MAX_LOST:
            _, past = self._past.popitem(last=False)
            lost -= len(past.tail)

    def translate(self, offset: Offset) -> Offset | None:
        """Return ``offset`` in terms of the present epoch; ``None`` where that cannot be said."""
        if offset.epoch == self.present and offset.epoch not in self._past:
            return offset
        if not self.knows(offset.epoch):
            return None
        meant: Offset | None = offset
        is_since = False
        for epoch, past in self._past.items():
            is_since |= epoch == offset.epoch
            if is_since and meant is not None:
                meant = past.translate(meant)
        return None if meant is None else replace(meant, epoch=self.present)
