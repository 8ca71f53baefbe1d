"""Group commit: what waits for a destination is written in one batch, by a thread of its own.

Who puts an item only appends to a buffer. With a spool, what the destination does not take in time
goes to disk, and from there to the destination when it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic

from logger_lib.counters import Counters
from logger_lib.notice import Notice
from logger_lib.pipeline.dead_letters import DeadLetters, Refused
from logger_lib.pipeline.delivery import Delivery, Destination
from logger_lib.pipeline.flow import Flow, Form, Item
from logger_lib.pipeline.intake import Intake
from logger_lib.pipeline.lifetime import Buffered, open_pipelines
from logger_lib.pipeline.limits import DEFAULT_LIMITS, Limits
from logger_lib.pipeline.state import BufferState
from logger_lib.spool.spool import Spool


class Pipeline(Buffered, Generic[Item]):
    """A bounded buffer in front of a destination, which gets its items in order and in batches.

    Its threads start with the first item, also in a process forked later, and end when there is
    nothing to do. They are plain ``threading`` threads, so in a program patched by eventlet they
    are green. With a spool the destination has to bear being given the same item twice.
    """

    def __init__(
        self,
        destination: Destination[Item],
        form: Form[Item],
        *,
        name: str,
        counters: Counters,
        notice: Notice,
        limits: Limits = DEFAULT_LIMITS,
        spool: Spool | None = None,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._name = name
        self._notice = notice
        self._limits = limits
        self._spool = spool
        self._dead_letters = dead_letters
        self._flow = flow = Flow(form, limits, counters, self._start, has_intake=spool is not None)
        refused = Refused(form, dead_letters, notice)
        self._delivery = Delivery(flow, destination, spool=spool, refused=refused, notice=notice)
        self._intake = Intake(flow, spool, refused, notice) if spool else None
        self._threads: list[threading.Thread] = []
        open_pipelines.add(self)

    def put(self, item: Item, size: int) -> None:
        """Take ``item``, of about ``size`` bytes in memory; drop and count it if there is no room.

        It never blocks on the destination and never raises for its failure.
        """
        self._flow.put(item, size)

    def accepts(self) -> bool:
        """Say whether what is put now can be expected to be kept.

        No, where the buffer is beyond its bounds, where the disk does not take what the destination
        does not, and, without a spool, where the destination is down.
        """
        flow = self._flow
        return not (
            flow.closed
            or flow.stuck
            or not flow.is_within_bounds
            or (self._spool is None and self._delivery.breaker.is_open)
        )

    @property
    def state(self) -> BufferState:
        """How it is just now. Nothing is waited for, so what it says may not be of one moment."""
        flow, limits, spool = self._flow, self._limits, self._spool
        return BufferState(
            waiting=len(flow.waiting),
            waiting_bytes=flow.waiting_bytes,
            max_waiting=limits.max_records,
            max_waiting_bytes=limits.max_bytes,
            spool_bytes=spool.size if spool else 0,
            max_spool_bytes=spool.max_bytes if spool else 0,
            failing_since=self._delivery.breaker.failing_since,
            is_spooling=flow.spooling,
            accepts=self.accepts(),
        )

    def flush(self, timeout: float) -> bool:
        """Have what waits written at once; say whether all that was put before is kept.

        Kept is what the destination has, the spool or the dead letters. False where ``timeout``
        seconds were too short for that, and where something was dropped or has failed, up to
        ``Limits.loss_seconds`` before this call.
        """
        flow = self._flow
        with flow.lock:
            began = time.monotonic()
            goal = flow.hurry()
            turn = flow.barrier.join(goal)
        return self._settled(goal, turn, timeout) and not flow.barrier.lost_any(goal, began)

    def settle(self, timeout: float) -> bool:
        """Have what waits written at once; say whether all that was put before is kept or lost."""
        flow = self._flow
        with flow.lock:
            goal = flow.hurry()
            turn = flow.barrier.join(goal)
        return self._settled(goal, turn, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Flush, put what is left into the spool, and end, within ``timeout`` seconds together.

        What is in neither place then is dropped, counted and said. A batch that is being written
        when the time is over goes on.
        """
        deadline = time.monotonic() + timeout
        kept_back = min(timeout / 2, self._limits.deadline) if self._spool else 0.0
        self.flush(timeout - kept_back)
        if self._intake is not None:
            self._spill(self._intake, deadline)
        with self._flow.lock:
            lost = self._flow.abandon()
        if lost:
            self._notice.closed_early(self._name, lost)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._spool is not None:
            self._spool.close(max(0.0, deadline - time.monotonic()))
        open_pipelines.discard(self)

    def wake(self) -> None:
        """Write what an earlier process has left in the spool, without waiting for an item."""
        with self._flow.lock:
            if self._spool is not None and not self._flow.closing:
                self._start()

    def forget_parent(self) -> None:
        """Start anew in a forked child: what waits is the parent's to write and to count."""
        counters, barrier = self._flow.counters, self._flow.barrier
        counters.taken -= barrier.accepted - barrier.settled + counters.in_spool
        counters.spooled -= counters.in_spool
        self._flow.reset()
        self._delivery.reset()
        self._threads = []
        if self._spool is not None:
            self._spool.forget_parent()
        if self._dead_letters is not None:
            self._dead_letters.forget_parent()

    def _settled(self, goal: int, turn: threading.Lock | None, timeout: float) -> bool:
        """Wait for ``turn`` until the first ``goal`` items are settled; say whether they are."""
        flow = self._flow
        if turn is None or turn.acquire(timeout=max(0.0, timeout)):
            return True
        with flow.lock:
            return flow.barrier.leave(goal, turn)

    def _spill(self, intake: Intake[Item], deadline: float) -> None:
        flow = self._flow
        with flow.lock:
            goal = flow.barrier.accepted
            if flow.barrier.settled >= goal:
                return
            flow.spill()
            self._start()
            has_thread = flow.taking_in
            turn = flow.barrier.join(goal)
        if not has_thread:
            # None can be had any more at the interpreter's end.
            intake.run()
        self._settled(goal, turn, deadline - time.monotonic())

    def _start(self) -> None:
        """Start the threads that are not there. Under the lock, which they need to begin."""
        flow = self._flow
        if not flow.delivering and not flow.closing:
            flow.delivering = self._started(self._name, self._delivery.run)
        if self._intake is not None and not flow.taking_in:
            flow.taking_in = self._started(f"{self._name}-spool", self._intake.run)

    def _started(self, name: str, run: Callable[[], None]) -> bool:
        thread = threading.Thread(target=run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # No thread can be had, now or (at the interpreter's end) ever: the item waits, the
            # next one tries again, and close does what it can.
            self._notice.cannot_write(error)
            return False
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        return True
