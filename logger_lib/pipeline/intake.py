"""The thread of a pipeline that puts into the spool what its destination does not take in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Generic

from logger_lib.notice import Notice
from logger_lib.pipeline.dead_letters import Refused
from logger_lib.pipeline.flow import Flight, Flow, Item
from logger_lib.pipeline.limits import BREATH
from logger_lib.spool.spool import Spool


class Intake(Generic[Item]):
    """Watches over the batch that is being written; while spooling, takes what waits."""

    def __init__(
        self,
        flow: Flow[Item],
        spool: Spool,
        refused: Refused[Item],
        notice: Notice,
    ) -> None:
        self._flow = flow
        self._spool = spool
        self._refused = refused
        self._notice = notice

    def run(self) -> None:
        """Take in for as long as there is a delivery, or something to be put into the spool."""
        flow = self._flow
        try:
            while step := self._next():
                step()
        except BaseException:
            with flow.lock:
                flow.taking_in = False
            raise

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do; None ends the thread."""
        flow = self._flow
        with flow.lock:
            while True:
                # Woken by no batch that is launched, it looks often enough to see each one's end.
                wait = flow.limits.deadline
                if flow.flight is not None:
                    wait = self._patience(flow.flight)
                    if wait <= 0:
                        flow.copy(flow.flight)
                        return partial(self._keep_flight, flow.flight)
                elif flow.spooling and (due_in := flow.due_in()) is not None:
                    if flow.closing and flow.stuck:
                        break
                    wait = max(due_in, flow.keep_again_at - time.monotonic())
                    if wait <= 0:
                        flow.keeping = True
                        return partial(self._keep, flow.take())
                elif flow.closing or not flow.delivering:
                    break
                flow.intake_work.wait(wait)
            # Within the lock, so that an item that comes now sees that it needs a thread.
            flow.taking_in = False
            return None

    def _patience(self, flight: Flight[Item]) -> float:
        """Return how many seconds ``flight`` has left, or the disk until it is asked again."""
        late_at = flight.since + self._flow.limits.deadline
        return max(late_at, self._flow.keep_again_at) - time.monotonic()

    def _keep_flight(self, flight: Flight[Item]) -> None:
        self._notice.too_late(self._flow.limits.deadline)
        self._keep(flight.entries, flight)

    def _keep(self, entries: list[tuple[Item, int]], copied: Flight[Item] | None = None) -> None:
        try:
            texts, refusals = self._encode(entries)
            if texts:
                self._spool.append(texts)
        except OSError as error:
            with self._flow.lock:
                self._flow.not_kept(entries)
            self._notice.cannot_keep(error)
        except BaseException:
            with self._flow.lock:
                self._flow.not_kept(entries)
            raise
        else:
            self._set_aside(len(texts), refusals, copied)

    def _set_aside(
        self, spooled: int, refusals: list[tuple[Item, str]], copied: Flight[Item] | None
    ) -> None:
        dead, failed = 0, len(refusals)
        try:
            dead, failed = self._refused.keep_or_lose(refusals)
        finally:
            # Whatever is raised: nobody holds up the delivery for a batch that is in the spool.
            self._settle(spooled, dead, failed, copied)

    def _encode(self, entries: list[tuple[Item, int]]) -> tuple[list[str], list[tuple[Item, str]]]:
        texts: list[str] = []
        refusals: list[tuple[Item, str]] = []
        for number, (item, _) in enumerate(entries, 1):
            if not number % BREATH:
                time.sleep(0)
            try:
                texts.append(self._flow.form.encode(item))
            except Exception as error:  # noqa: BLE001  whatever a program has put into it
                refusals.append((item, f"it cannot be put into the spool: {error}"))
        return texts, refusals

    def _settle(self, spooled: int, dead: int, failed: int, copied: Flight[Item] | None) -> None:
        flow, counters = self._flow, self._flow.counters
        with flow.lock:
            if copied is not None and copied.landed:
                # It was written after all, and is once more: counted by where it is found now.
                counters.written -= spooled + dead
                failed = 0
            counters.spooled += spooled
            counters.dead += dead
            counters.failed += failed
            flow.kept(spooled + dead + failed, lost=failed > 0)
            was_full, flow.was_full = flow.was_full, False
        if was_full:
            self._notice.too_slow()
