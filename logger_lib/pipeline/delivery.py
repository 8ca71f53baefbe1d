"""The thread of a pipeline that gives batches to the destination, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, Protocol

from logger_lib.notice import Notice
from logger_lib.pipeline.backoff import Breaker
from logger_lib.pipeline.dead_letters import Refused
from logger_lib.pipeline.flow import Flight, Flow, Item
from logger_lib.pipeline.limits import BREATH
from logger_lib.spool.spool import Spool


class Destination(Protocol[Item]):
    """Where a pipeline's batches go."""

    def write(self, batch: Sequence[Item], /) -> Sequence[tuple[Item, str]]:
        """Write ``batch``, in order; return what can never be written there, and why.

        Writing what is already there must do no harm. It may block. It may raise anything where
        nothing is known to be written: the same is then written again.
        """
        ...


class Delivery(Generic[Item]):
    """Writes what waits; while there is a spool to replay, that.

    With a spool, a batch that fails goes there, and the destination is asked again with what is
    oldest. Without one a batch is tried a few times; then it has failed, and the next one is tried
    once, after the pause or when a flush asks for it.
    """

    def __init__(
        self,
        flow: Flow[Item],
        destination: Destination[Item],
        *,
        spool: Spool | None,
        refused: Refused[Item],
        notice: Notice,
    ) -> None:
        self._flow = flow
        self._destination = destination
        self._spool = spool
        self._refused = refused
        self._notice = notice
        self._counters = flow.counters
        self._limits = flow.limits
        self._fate = "records are counted as failed"
        if spool is not None:
            self._fate = "records are kept on disk until it can"
        self.reset()

    def reset(self) -> None:
        """Forget how the destination was, and what was found on disk."""
        attempts = 1 if self._spool else self._limits.attempts
        self.breaker = Breaker(attempts, self._limits.first_pause, self._limits.longest_pause)
        self._look_at = 0.0
        self._replay_at = 0.0
        self._is_slow = False

    def run(self) -> None:
        """Deliver until there is nothing to do for a while, or the pipeline is closed."""
        flow = self._flow
        try:
            while step := self._next():
                step()
        except BaseException:
            with flow.lock:
                flow.delivering = False
                flow.intake_work.notify()
            raise

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do; None ends the thread."""
        flow = self._flow
        with flow.lock:
            while not flow.closing:
                if self._spool is not None and self._is_look_due(self._spool):
                    return partial(self._take_over, self._spool)
                if flow.spooling and self._spool is not None:
                    if step := self._next_replay(self._spool):
                        return step
                elif step := self._next_direct():
                    return step
                elif not flow.waiting and self._is_idle():
                    break
            # Within the lock, so that an item that comes now sees that it needs a thread.
            flow.delivering = False
            flow.intake_work.notify()
            return None

    def _is_idle(self) -> bool:
        """Wait for a while; say whether nothing came, and nothing is in the spool or on its way."""
        flow = self._flow
        was_told = flow.delivery_work.wait(self._limits.idle)
        # What came when the wait was over, and the lock not here again, has told nobody.
        return not (was_told or flow.waiting or flow.keeping or self._is_spool_used)

    @property
    def _is_spool_used(self) -> bool:
        return self._spool is not None and not self._spool.is_empty

    def _is_look_due(self, spool: Spool) -> bool:
        # Of a disk that hangs over a copy nothing is asked while the destination is well.
        is_disk_busy = self._flow.keeping and not self._flow.spooling
        return spool.has_more_left or (time.monotonic() >= self._look_at and not is_disk_busy)

    def _next_replay(self, spool: Spool) -> Callable[[], None] | None:
        flow = self._flow
        if pause := max(self.breaker.pause, self._replay_at - time.monotonic(), 0.0):
            flow.delivery_work.wait(pause)
        elif not spool.is_empty:
            return partial(self._replay, spool)
        elif flow.keeping:
            flow.delivery_work.wait(self._limits.idle)
        elif not self._is_slow or flow.stuck or self._is_idle():
            self._is_slow = False
            flow.go_direct()
        return None

    def _next_direct(self) -> Callable[[], None] | None:
        flow = self._flow
        wait = flow.due_in()
        if wait is None:
            return None
        # Of a destination that is down a flush learns at once that it still is.
        if not (self.breaker.given_up and flow.is_hurried):
            wait = max(wait, self.breaker.pause)
        if not wait:
            return partial(self._write, flow.launch())
        flow.delivery_work.wait(wait)
        return None

    def _write(self, flight: Flight[Item]) -> None:
        try:
            refusals = self._ask([item for item, _ in flight.entries])
        except Exception as error:  # noqa: BLE001  a destination may raise anything: said and counted
            self._failed(flight, error)
        except BaseException:
            with self._flow.lock:
                self._turn_back(flight, for_good=True)
            raise
        else:
            self._written(flight, refusals)

    def _ask(self, items: Sequence[Item]) -> Sequence[tuple[Item, str]]:
        if self.breaker.failures:
            with self._flow.lock:
                self._counters.retried += len(items)
        began = time.monotonic()
        try:
            refusals = self._destination.write(items)
        finally:
            took = time.monotonic() - began
            self._counters.writes.observe(took)
        # Of a slow one nobody is to wait for the deadline again and again: it gets everything by
        # way of the spool, until it has been fast with that.
        self._is_slow = took >= self._limits.deadline
        return refusals

    def _written(self, flight: Flight[Item], refusals: Sequence[tuple[Item, str]]) -> None:
        with self._flow.lock:
            decides = self._flow.land(flight, whole=not refusals)
        if decides:
            self._set_aside(flight, refusals[: len(flight.entries)])
        self._succeeded()

    def _set_aside(self, flight: Flight[Item], refusals: Sequence[tuple[Item, str]]) -> None:
        flow, counters = self._flow, self._counters
        dead, failed = 0, len(refusals)
        try:
            dead, failed = self._refused.keep_or_lose(refusals)
        finally:
            # Whatever is raised: nobody waits for ever for a batch that is written.
            with flow.lock:
                counters.written += len(flight.entries) - dead - failed
                counters.dead += dead
                counters.failed += failed
                flow.stuck = False
                flow.barrier.settle(len(flight.entries), lost=failed > 0)

    def _failed(self, flight: Flight[Item], error: Exception) -> None:
        with self._flow.lock:
            self._count_failure()
            self._turn_back(flight, for_good=self.breaker.given_up)
        self._notice.cannot_write(error, self._fate)

    def _turn_back(self, flight: Flight[Item], *, for_good: bool) -> None:
        flow = self._flow
        if not flow.land(flight):
            return
        if self._spool is None and for_good:
            self._lose(flight)
        else:
            flow.put_back(flight.entries)
        if self._spool is not None:
            flow.divert()

    def _lose(self, flight: Flight[Item]) -> None:
        self._counters.failed += len(flight.entries)
        self._flow.barrier.settle(len(flight.entries), lost=True)

    def _count_failure(self) -> None:
        if self.breaker.failed():
            self._counters.opened += 1

    def _succeeded(self) -> None:
        self.breaker.succeeded()
        self._notice.recovered()
        with self._flow.lock:
            was_full, self._flow.was_full = self._flow.was_full, False
        if was_full:
            # Said here and not in ``put``: where stdout stalls, stderr often is the same pipe, and
            # a request must not wait for it.
            self._notice.too_slow()

    def _replay(self, spool: Spool) -> None:
        try:
            texts = spool.read(self._limits.max_batch, self._limits.max_batch_bytes)
            items, odd = self._decode(texts)
            refusals = self._ask(items) if items else []
        except Exception as error:  # noqa: BLE001  a destination may raise anything: said and counted
            with self._flow.lock:
                self._count_failure()
            self._notice.cannot_write(error, self._fate)
            return
        try:
            dead, failed = self._refused.keep(refusals[: len(items)], odd)
        except OSError as error:
            # These lines were acknowledged: what the disk does not take as a dead letter stays.
            self._replay_at = time.monotonic() + self._limits.spool_pause
            self._notice.cannot_set_aside(error, "what is on disk waits there until it can")
            return
        spool.done()
        self._count_replayed(len(texts), dead, failed, spool.take_missing())
        if items:
            self._succeeded()
        if spool.is_empty:
            self._look_at = 0.0

    def _decode(self, texts: Sequence[str]) -> tuple[list[Item], list[tuple[str, str]]]:
        items: list[Item] = []
        odd: list[tuple[str, str]] = []
        for number, text in enumerate(texts, 1):
            if not number % BREATH:
                time.sleep(0)
            try:
                items.append(self._flow.form.decode(text))
            except Exception as error:  # noqa: BLE001  whatever the line says
                odd.append((text, f"the spool's line cannot be understood: {error!r}"))
        return items, odd

    def _count_replayed(self, lines: int, dead: int, failed: int, missing: int) -> None:
        counters = self._counters
        with self._flow.lock:
            counters.written += lines - dead - failed
            counters.dead += dead
            counters.failed += failed + missing
            counters.torn += missing
            counters.replayed += lines + missing
        if missing:
            self._notice.unreadable(missing)

    def _take_over(self, spool: Spool) -> None:
        """Look for what a process that was killed has left behind."""
        self._look_at = time.monotonic() + self._limits.idle
        try:
            found = spool.take_over()
        except OSError as error:
            self._notice.cannot_keep(error)
            return
        counters = self._counters
        with self._flow.lock:
            counters.taken += found.lines
            counters.spooled += found.lines
            counters.torn += found.damaged
            if found.lines:
                self._flow.divert()
        if found.damaged:
            self._notice.unreadable(found.damaged)
        if found.unreadable:
            self._notice.cannot_take_over(*found.unreadable[0], len(found.unreadable))
