"""Group commit: what waits for a destination is written in one batch, by one thread of its own.

A request that logs only appends to a buffer. The buffer is bounded, in records and in bytes; when
it is full the newest record is dropped, and counted.
"""

import atexit
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from logger_lib.counters import Counters
from logger_lib.errors import RecordsRejected
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.logger import Logger, LoggerFactory
from logger_lib.notice import Notice
from logger_lib.record import LogRecord

_RECORD_BYTES = 600
_CONTAINER_BYTES = 64
_VALUE_BYTES = 112
"""A value, its key and the places of both."""
_RECIPIENT_BYTES = 8
"""The sids themselves are the server's; a record holds its references to them."""
_LINE_BYTES = 100
"""What a destination may make of one recipient: a line of text, an element of JSON."""


class Sink(ABC):
    """Where batches go. It is called from one thread a logger, and may block and raise."""

    def prepare(self) -> None:  # noqa: B027  most destinations need nothing
        """Make what the destination needs; called before the first batch until it succeeds."""

    @abstractmethod
    def write(self, batch: Sequence[LogRecord]) -> None:
        """Write ``batch``, in order.

        Raises ``RecordsRejected`` when the rest of the batch was written, any other error when
        nothing is known to be.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one logger's buffer; times are in seconds."""

    max_batch: int = 500
    max_delay: float = 0.0
    """How long the first record of a batch may wait for company; 0: until the writer is free."""
    max_batch_bytes: int = 1024 * 1024
    """About how much text a batch makes; the record that reaches it is the batch's last. Between
    two batches an event loop goes on."""
    max_records: int = 10_000
    max_bytes: int = 32 * 1024 * 1024
    idle: float = 10.0
    """How long the thread waits for work before it ends; the next record starts another."""


DEFAULT_LIMITS = Limits()

LINES_LIMITS = Limits(
    max_batch=4000, max_batch_bytes=4 * 1024 * 1024, max_delay=0.01, max_records=50_000
)
"""For lines of text: to hand a batch to another thread and back takes as long as hundreds."""


class BatchedLogger(Logger):
    """A logger whose records are written by a thread of its own, in the order they came in.

    The thread starts with the first record, also in a process forked later. It is a plain
    ``threading`` thread, so in a program patched by eventlet it is a green one.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        name: str,
        counters: Counters,
        notice: Notice,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._sink = sink
        self._name = name
        self._counters = counters
        self._notice = notice
        self._limits = limits
        self._prepared = False
        self._closed = False
        self._start_empty()
        _open_loggers.add(self)

    def _start_empty(self) -> None:
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._waiting: deque[tuple[LogRecord, int]] = deque()
        self._waiting_bytes = 0
        self._oldest_at = 0.0
        self._accepted = 0
        self._settled = 0
        self._hurry_to = 0
        self._was_full = False
        self._thread: threading.Thread | None = None

    def log(self, record: LogRecord) -> None:
        """Put ``record`` into the buffer, or drop and count it if it does not fit."""
        size = weight(record, self._limits.max_bytes)
        with self._lock:
            self._counters.taken += 1
            if not self._fits(size):
                self._counters.dropped += 1
                return
            self._waiting.append((record, size))
            self._waiting_bytes += size
            self._accepted += 1
            if self._thread is None:
                self._start_thread()
            # The thread waits for the first record or for a full batch, not for those between.
            waiting = len(self._waiting)
            if waiting == 1:
                self._oldest_at = time.monotonic()
                self._work.notify()
            elif waiting == self._limits.max_batch:
                self._work.notify()

    def flush(self, timeout: float) -> bool:
        """Commit at once what waits; True when all of it was written, or failed and counted."""
        with self._lock:
            goal = self._hurry_to = self._accepted
            if self._waiting and self._thread is None:
                self._start_thread()
            self._work.notify()
            return self._progress.wait_for(lambda: self._settled >= goal, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Flush, then end the thread; what still waits is counted as dropped, and said.

        A batch that is being written when the time is over goes on.
        """
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        with self._lock:
            self._closed = True
            lost = len(self._waiting)
            self._counters.dropped += lost
            self._accepted -= lost
            self._waiting.clear()
            self._waiting_bytes = 0
            self._work.notify()
            thread = self._thread
        if lost:
            self._notice.closed_early(self._name, lost)
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
        _open_loggers.discard(self)

    def forget_parent(self) -> None:
        """Start anew in a forked child: what waits is the parent's to write and to count."""
        self._counters.taken -= self._accepted - self._settled
        self._start_empty()

    def _fits(self, size: int) -> bool:
        if self._closed:
            return False
        limits = self._limits
        fits = (
            len(self._waiting) < limits.max_records
            and self._waiting_bytes + size <= limits.max_bytes
        )
        self._was_full = self._was_full or not fits
        return fits

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # No thread can be had, now or (at the interpreter's end) ever: the record waits, the
            # next one tries again, and close counts what is left.
            self._notice.cannot_write(error)
        else:
            self._thread = thread

    def _run(self) -> None:
        try:
            while batch := self._take():
                self._write(batch)
        finally:
            with self._lock:
                self._thread = None

    def _take(self) -> list[LogRecord]:
        """Wait until a batch is due and take it; an empty one ends the thread."""
        limits = self._limits
        with self._lock:
            self._work.wait_for(lambda: self._waiting or self._closed, limits.idle)
            if self._waiting and limits.max_delay:
                passed = time.monotonic() - self._oldest_at
                self._work.wait_for(self._is_due, max(0.0, limits.max_delay - passed))
            taken: list[LogRecord] = []
            text = 0
            while self._waiting and len(taken) < limits.max_batch and text < limits.max_batch_bytes:
                record, size = self._waiting.popleft()
                self._waiting_bytes -= size
                text += size + len(record.recipients) * _LINE_BYTES
                taken.append(record)
            self._oldest_at = time.monotonic()
            if not taken:
                # Within the lock, so that a record that comes now sees that it needs a thread.
                self._thread = None
        return taken

    def _is_due(self) -> bool:
        return (
            self._closed
            or len(self._waiting) >= self._limits.max_batch
            or self._hurry_to > self._settled
        )

    def _write(self, batch: list[LogRecord]) -> None:
        written = 0
        try:
            if not self._prepared:
                self._sink.prepare()
                self._prepared = True
            self._sink.write(batch)
            written = len(batch)
        except RecordsRejected as rejected:
            written = len(batch) - len(rejected.records)
            self._notice.cannot_write(rejected)
        except Exception as error:  # noqa: BLE001  a destination may raise anything: said and counted
            self._notice.cannot_write(error)
        finally:
            self._settle(written, len(batch) - written)

    def _settle(self, written: int, failed: int) -> None:
        with self._lock:
            self._counters.written += written
            self._counters.failed += failed
            self._settled += written + failed
            self._progress.notify_all()
            was_full, self._was_full = self._was_full, False
        if was_full:
            # Said here and not in ``log``: where stdout stalls, stderr often is the same pipe, and
            # a request must not wait for it.
            self._notice.too_slow()


class BatchedLoggerFactory(LoggerFactory):
    """What the factories of batched destinations share: a sink, a notice and the counters."""

    def __init__(self, destination: str, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__()
        self._destination = destination
        self._limits = limits
        self._notice = Notice(destination)

    @property
    @abstractmethod
    def sink(self) -> Sink:
        """Where the loggers of this factory write; they may do so at the same time."""

    def create_logger(self, name: str) -> Logger:
        """Return a logger with a buffer and a thread of its own."""
        return BatchedLogger(
            self.sink,
            name=f"herald-{self._destination}-{name}",
            counters=self.new_counters(),
            notice=self._notice,
            limits=self._limits,
        )

    def prepare(self) -> None:
        """Make what the destination needs before its first record. Repeatable."""
        self.sink.prepare()


def weight(record: LogRecord, limit: int) -> int:
    """Return about how many bytes ``record`` holds in memory; counting ends beyond ``limit``.

    That end also makes it safe for data that contains itself.
    """
    total = _RECORD_BYTES + len(record.message) + len(record.recipients) * _RECIPIENT_BYTES
    waiting: list[JsonObject | list[JsonValue]] = [record.fields]
    while waiting and total <= limit:
        values: Iterable[JsonValue]
        values = container = waiting.pop()
        total += _CONTAINER_BYTES + len(container) * _VALUE_BYTES
        if isinstance(container, dict):
            total += len("".join(container))
            values = container.values()
        for value in values:
            if isinstance(value, str):
                total += len(value)
            elif isinstance(value, (dict, list)):
                waiting.append(value)
    return total


_EXIT_SECONDS = 1.0

_open_loggers: "weakref.WeakSet[BatchedLogger]" = weakref.WeakSet()


def _close_forgotten() -> None:
    # First ask all, so that they write at the same time; then give each what is left of the time.
    deadline = time.monotonic() + _EXIT_SECONDS
    loggers = list(_open_loggers)
    for logger in loggers:
        logger.flush(0.0)
    for logger in loggers:
        logger.close(max(0.0, deadline - time.monotonic()))


def _forget_parent() -> None:
    for logger in list(_open_loggers):
        logger.forget_parent()


atexit.register(_close_forgotten)
if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=_forget_parent)
