"""The ``logging`` destination: lines in the seed's form, through the standard library's logging."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self

from logger_lib.batching import DEFAULT_LIMITS, BatchedLoggerFactory, Limits, Sink
from logger_lib.escape import escape
from logger_lib.offload import Offload, inline
from logger_lib.record import LogRecord

DEFAULT_NAME = "Herald"
_ATTRIBUTE = "herald_record"


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
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__("logging", limits)
        logger = logging.getLogger(name)
        _remove_lines_handler(logger)
        handler = None
        if stream is not None or not logger.hasHandlers():
            handler = LinesHandler(stream or sys.stderr, offload)
            logger.addHandler(handler)
            logger.propagate = False
            logger.setLevel(logging.DEBUG)
        self._sink = _LoggingSink(logger, handler)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make the factory; it needs no setting."""
        return cls()

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink


class SeedFormatter(logging.Formatter):
    """Formats as ``[Herald] 16366 - 05/25/2021, 9:46:00 PM  [order.created] orderId: … +4ms``.

    That is: process id, local time, level where it is not info, event, message, and milliseconds
    since the line before. A record of deliveries becomes one line a recipient.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: float | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines, without the last line end."""
        entry = getattr(record, _ATTRIBUTE, None)
        at = datetime.fromtimestamp(record.created).astimezone()
        level = "" if record.levelno == logging.INFO else record.levelname
        start = f"[{escape(record.name)}] {record.process} - {_clock_face(at)} {level} "
        if not isinstance(entry, LogRecord):
            return f"{start}{escape(super().format(record))} +{self._since_last()}ms"
        start += f"[{escape(entry.event)}] "
        return "\n".join(f"{start}{escape(line)} +{self._since_last()}ms" for line in entry.lines())

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
    """Writes the lines of a whole batch to a stream with one call, through ``offload``."""

    def __init__(self, stream: TextStream, offload: Offload = inline) -> None:
        super().__init__()
        self._stream = stream
        self._offload = offload
        self._lines: list[str] = []
        self.setFormatter(SeedFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the lines of a batch until its end; what others log here is written at once."""
        self._lines.append(self.format(record))
        if not hasattr(record, _ATTRIBUTE):
            try:
                self.write_out()
            except (OSError, ValueError):
                self.handleError(record)

    def write_out(self) -> None:
        """Write what was kept; raises the stream's error."""
        lines, self._lines = self._lines, []
        if lines:
            text = "\n".join(lines) + "\n"
            self._offload(lambda: self._put(text))

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _LoggingSink(Sink):
    def __init__(self, logger: logging.Logger, handler: LinesHandler | None) -> None:
        self._logger = logger
        self._handler = handler

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Hand each record to the standard logger: one standard record each."""
        for entry in batch:
            if self._logger.isEnabledFor(entry.level):
                self._logger.handle(self._standard_record(entry))
        if self._handler is not None:
            self._handler.write_out()

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
