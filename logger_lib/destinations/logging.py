"""The ``logging`` destination: lines in the seed's form, through the standard library's logging."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.escape import escape, escape_all
from logger_lib.offload import Offload, inline
from logger_lib.pipeline.limits import LINES_LIMITS, Limits
from logger_lib.record import Level, LogRecord, level_of
from logger_lib.refusals import raise_refusals, split_writable

DEFAULT_NAME = "Herald"
_ATTRIBUTE = "herald_record"
"""Where handlers of the program find our record on the standard one."""
_PIECE = 2000
"""Recipients in one piece of text."""


_pid = os.getpid()


def _take_note_of_fork() -> None:
    global _pid  # noqa: PLW0603 - it is one of the whole process, and asking each time is a system call
    _pid = os.getpid()


if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=_take_note_of_fork)


class TextStream(Protocol):
    """Where lines go: ``sys.stderr``, an open text file."""

    def write(self, text: str, /) -> int | None:
        """Take ``text``."""

    def flush(self) -> None:
        """Pass on what was taken."""


class LoggingLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that go through ``logging.getLogger(name)``.

    With a ``stream`` the lines go there, in the seed's form, and nowhere else. Without one they
    go to the handlers that the program gave to that logger or to the root; where it gave none, to
    stderr in the seed's form. The program's own levels hold for what its own handlers get.
    """

    def __init__(
        self,
        name: str = DEFAULT_NAME,
        *,
        stream: TextStream | None = None,
        offload: Offload = inline,
        limits: Limits = LINES_LIMITS,
    ) -> None:
        super().__init__("logging", limits)
        logger = logging.getLogger(name)
        _remove_lines_handler(logger)
        self._sink: Sink = _LoggerSink(logger)
        if stream is not None or not logger.hasHandlers():
            handler = LinesHandler(stream or sys.stderr, SeedLines(name), offload)
            logger.addHandler(handler)
            logger.propagate = False
            logger.setLevel(logging.DEBUG)
            self._sink = _HandlerSink(handler)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make the factory; it needs no setting."""
        return cls()

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink


class SeedLines:
    """Writes lines such as ``[Herald] 16366 - 05/25/2021, 9:46:00 PM  [order.created] id: 1 +4ms``.

    That is: process id, local time, level where it is not info, event, message, and milliseconds
    since what was written before. A record of deliveries becomes one line a recipient.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = escape(name)
        self._clock = clock
        self._last: float | None = None
        self._second = self._pid = -1
        self._start = ""

    def line(self, at: float, level: str, text: str) -> str:
        """Return one line about what happened ``at`` so many seconds since 1970."""
        return f"{self._head(at, level)} {escape(text)} +{self._since_last()}ms\n"

    def lines(self, record: LogRecord) -> Iterator[str]:
        """Yield the lines of ``record``, as many in a piece as one join should make."""
        head = self._head(record.time.timestamp(), level_of(record.level).name)
        start = f"{head} [{escape(record.event)}] {escape(record.message)}"
        if not record.recipients:
            yield f"{start} +{self._since_last()}ms\n"
            return
        # The deliveries of an event are one moment: the first line alone says how long it took.
        yield f"{start}: {escape(record.recipients[0])} +{self._since_last()}ms\n"
        between = f" +0ms\n{start}: "
        for begin in range(1, len(record.recipients), _PIECE):
            piece = escape_all(record.recipients[begin : begin + _PIECE])
            yield f"{start}: {between.join(piece)} +0ms\n"

    def _head(self, at: float, level: str) -> str:
        if self._second != int(at) or self._pid != _pid:
            self._second, self._pid = int(at), _pid
            self._start = f"[{self._name}] {_pid} - {_clock_face(datetime.fromtimestamp(at))} "
        return self._start if level == Level.INFO.name else self._start + level

    def _since_last(self) -> int:
        now = self._clock()
        passed = 0.0 if self._last is None else now - self._last
        self._last = now
        return round(passed * 1000)


def _clock_face(at: datetime) -> str:
    # Not %I and %p: the first pads with a zero, the second depends on the locale.
    half = "AM" if at.hour < 12 else "PM"
    return f"{at:%m/%d/%Y}, {at.hour % 12 or 12}:{at:%M:%S} {half}"


class LinesHandler(logging.Handler):
    """Writes lines to a stream, through ``offload``: our records, and what others log here.

    What is offloaded uses none of the standard library's logging, whose locks belong to the thread
    outside: it is called under the handler's lock, and never takes it.
    """

    def __init__(self, stream: TextStream, lines: SeedLines, offload: Offload = inline) -> None:
        super().__init__()
        self._stream = stream
        self._lines = lines
        self._offload = offload

    def emit(self, record: logging.LogRecord) -> None:
        """Write what others log here, at once."""
        try:
            line = self._lines.line(record.created, record.levelname, self.format(record))
            self._offload(lambda: self._put([line]))
        except (OSError, ValueError):
            self.handleError(record)

    def write_batch(self, batch: Sequence[LogRecord]) -> None:
        """Write the lines of our records; raises the stream's error, or ``RecordsRejected``."""
        self.acquire()
        try:
            # Made here and not in the thread outside, where it would take the interpreter's lock
            # from the event loop for milliseconds at each of the loop's system calls.
            writable, refusals = split_writable(batch, lambda entry: [*self._lines.lines(entry)])
            pieces = [piece for _, lines in writable for piece in lines]
            self._offload(lambda: self._put(pieces))
        finally:
            self.release()
        raise_refusals(refusals)

    def _put(self, pieces: Iterable[str]) -> None:
        self._stream.write("".join(pieces))
        self._stream.flush()


class _HandlerSink(Sink):
    """Lines on a stream of our own, without a standard record: to make one takes the longest."""

    def __init__(self, handler: LinesHandler) -> None:
        self._handler = handler

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Write the batch as lines."""
        self._handler.write_batch(batch)


class _LoggerSink(Sink):
    """The handlers of the program."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Hand each record to the standard logger: one standard record each."""
        writable, refusals = split_writable(batch, self._standard_record)
        for _, record in writable:
            if self._logger.isEnabledFor(record.levelno):
                self._logger.handle(record)
        raise_refusals(refusals)

    def _standard_record(self, entry: LogRecord) -> logging.LogRecord:
        record = self._logger.makeRecord(
            self._logger.name,
            entry.level,
            fn="",
            lno=0,
            msg=_readable(entry),
            args=(),
            exc_info=None,
            extra={_ATTRIBUTE: entry},
        )
        # When it happened, not when the batch was written.
        record.created = entry.time.timestamp()
        record.msecs = entry.time.microsecond // 1000
        return record


def _readable(entry: LogRecord) -> str:
    """Return what handlers that know nothing of Herald print: one line, whatever was sent."""
    recipients = f": {', '.join(entry.recipients)}" if entry.recipients else ""
    return escape(f"[{entry.event}] {entry.message}{recipients}")


def _remove_lines_handler(logger: logging.Logger) -> None:
    """Let the factory made last decide, so that no line is printed twice."""
    for handler in list(logger.handlers):
        if isinstance(handler, LinesHandler):
            logger.removeHandler(handler)
            logger.propagate = True
