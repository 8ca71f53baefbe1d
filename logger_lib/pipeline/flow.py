"""What waits between those who put items and the threads that write them: all under one lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from logger_lib.counters import Counters
from logger_lib.pipeline.barrier import Barrier
from logger_lib.pipeline.limits import Limits

Item = TypeVar("Item")


class Form(Protocol[Item]):
    """What a pipeline has to know of its items."""

    def text_bytes(self, item: Item, size: int, /) -> int:
        """Return about how much text ``item``, of ``size`` bytes in memory, makes."""
        ...

    def encode(self, item: Item, /) -> str:
        """Return ``item`` as one line of JSON; raises where it cannot be one."""
        ...

    def decode(self, text: str, /) -> Item:
        """Return the item of ``text``; raises where it is none."""
        ...


class Flight(Generic[Item]):
    """A batch that is being written, and since when; ``landed`` where it was."""

    __slots__ = ("entries", "landed", "since")

    def __init__(self, entries: list[tuple[Item, int]]) -> None:
        self.entries = entries
        self.since = time.monotonic()
        self.landed = False


class Flow(Generic[Item]):
    """The buffer of a pipeline, and which of its two threads takes from it.

    In direct mode that is the delivery; ``flight`` is what it is writing. While ``spooling`` it is
    the intake. ``keeping`` says that the intake is about to have a batch in the spool: one that it
    has taken, or, as that takes too long, a copy of the one in flight, which is ``copied`` then.
    Only one of them holds items at a time, but for that copy, and what cannot be written goes back
    to the front: that is how the order is kept. Everything but ``put`` is called under ``lock``.
    """

    def __init__(
        self,
        form: Form[Item],
        limits: Limits,
        counters: Counters,
        start: Callable[[], None],
        *,
        has_intake: bool,
    ) -> None:
        self.limits = limits
        self.counters = counters
        self.form = form
        self._start = start
        self._has_intake = has_intake
        self._hard_records = limits.hard_records
        self._hard_bytes = limits.hard_bytes
        self.closing = False
        self.closed = False
        self.reset()

    def reset(self) -> None:
        """Start empty."""
        self.lock = threading.RLock()
        self.delivery_work = threading.Condition(self.lock)
        self.intake_work = threading.Condition(self.lock)
        self.barrier = Barrier(self.limits.loss_seconds)
        self.waiting: deque[tuple[Item, int]] = deque()
        self.waiting_bytes = 0
        self.flight: Flight[Item] | None = None
        self.spooling = False
        self.keeping = False
        self.copied: Flight[Item] | None = None
        self.stuck = False
        """Whether the disk refused the batch at the front."""
        self.keep_again_at = 0.0
        self.delivering = False
        self.taking_in = not self._has_intake
        """Whether the intake is there, or there is none to be had."""
        self.was_full = False
        self._oldest_at = 0.0
        self._hurry_to = 0
        self._taker = self.delivery_work

    def put(self, item: Item, size: int) -> None:
        """Append ``item``, or drop and count it where twice the bounds are reached."""
        with self.lock:
            self.counters.taken += 1
            waiting = self.waiting
            before = len(waiting)
            total = self.waiting_bytes + size
            if before >= self._hard_records or total > self._hard_bytes or self.closed:
                self.was_full = not self.closed
                self.counters.dropped += 1
                self.barrier.lose(self.barrier.accepted)
                return
            waiting.append((item, size))
            self.waiting_bytes = total
            self.barrier.accepted += 1
            if not (self.delivering and self.taking_in):
                self._start()
            # The thread waits for the first item or for a full batch, not for those between.
            if not before:
                self._oldest_at = time.monotonic()
                self._taker.notify()
            elif before + 1 == self.limits.max_batch:
                self._taker.notify()

    @property
    def is_within_bounds(self) -> bool:
        """Whether what waits is within the bounds that are said to those who put."""
        return (
            len(self.waiting) < self.limits.max_records
            and self.waiting_bytes < self.limits.max_bytes
        )

    def hurry(self) -> int:
        """Have what waits written at once; return how many items have been accepted."""
        was_hurried = self.is_hurried
        goal = self._hurry_to = self.barrier.accepted
        if goal > self.barrier.settled:
            if not (self.delivering and self.taking_in):
                self._start()
            if not was_hurried:
                self._taker.notify()
        return goal

    @property
    def is_hurried(self) -> bool:
        """Whether a flush waits for what is at the front."""
        return self._hurry_to > self.barrier.settled

    def due_in(self) -> float | None:
        """Return in how many seconds a batch is due; None where nothing waits."""
        if not self.waiting:
            return None
        limits = self.limits
        if (
            not limits.max_delay
            or self.closing
            or len(self.waiting) >= limits.max_batch
            or self.is_hurried
        ):
            return 0.0
        return max(0.0, self._oldest_at + limits.max_delay - time.monotonic())

    def take(self) -> list[tuple[Item, int]]:
        """Take a batch from the front."""
        limits, text_bytes = self.limits, self.form.text_bytes
        taken: list[tuple[Item, int]] = []
        text = 0
        while self.waiting and len(taken) < limits.max_batch and text < limits.max_batch_bytes:
            entry = self.waiting.popleft()
            item, size = entry
            self.waiting_bytes -= size
            text += text_bytes(item, size)
            taken.append(entry)
        self._oldest_at = time.monotonic()
        return taken

    def put_back(self, entries: list[tuple[Item, int]]) -> None:
        """Put a batch that could not be written or kept to the front again."""
        self.waiting.extendleft(reversed(entries))
        self.waiting_bytes += sum(size for _, size in entries)
        self._oldest_at = 0.0
        if self.closed:
            self.abandon()

    def launch(self) -> Flight[Item]:
        """Take a batch that is going to be written."""
        self.flight = Flight(self.take())
        return self.flight

    def copy(self, flight: Flight[Item]) -> None:
        """Take note that the intake is about to have a copy of ``flight`` in the spool."""
        self.keeping = True
        self.copied = flight

    def land(self, flight: Flight[Item], *, whole: bool = False) -> bool:
        """Say, now that ``flight`` has an answer, whether that is what decides.

        It is not where the spool has the batch. Where that is not known yet, one that was taken
        ``whole`` does not wait for a disk that may hang: to be written again does it no harm.
        """
        while self.copied is flight and not whole:
            self.delivery_work.wait()
        if self.flight is not flight:
            return False
        self.flight = None
        flight.landed = True
        return True

    def divert(self) -> None:
        """Have the intake put into the spool what waits, and what comes."""
        self.spooling = True
        self._taker = self.intake_work
        self.intake_work.notify()

    def go_direct(self) -> None:
        """Have the delivery write what waits: the spool is empty."""
        self.spooling = False
        self._taker = self.delivery_work

    def kept(self, items: int, *, lost: bool) -> None:
        """Settle what the intake held: it is in the spool, or ``lost`` if not all of it is."""
        flight, self.copied = self.copied, None
        self.keeping = self.stuck = False
        if flight is not None:
            self.divert()
        if flight is None or not flight.landed:
            self.flight = None
            self.barrier.settle(items, lost=lost)
        self.delivery_work.notify()

    def not_kept(self, entries: list[tuple[Item, int]]) -> None:
        """Have what the intake held, which the disk refused, tried again by both in a while."""
        flight, self.copied = self.copied, None
        self.keeping = False
        self.keep_again_at = time.monotonic() + self.limits.spool_pause
        if flight is None or not flight.landed:
            self.stuck = True
            if flight is None or self.closing:
                self.flight = None
                self.put_back(entries)
        self.delivery_work.notify()

    def spill(self) -> None:
        """Have all that is not settled put into the spool, as the end is near."""
        self.closing = True
        self.stuck = False
        self.keep_again_at = 0.0
        if self.flight is not None and self.flight is not self.copied:
            self.put_back(self.flight.entries)
            self.flight = None
        self.divert()
        self.delivery_work.notify()

    def abandon(self) -> int:
        """Drop what waits and take no more; return how much that was."""
        self.closing = self.closed = True
        lost = len(self.waiting)
        self.waiting.clear()
        self.waiting_bytes = 0
        if lost:
            self.counters.dropped += lost
            self.barrier.settle(lost, lost=True)
        self.delivery_work.notify()
        self.intake_work.notify()
        return lost
