"""Loggers of a third party that do what none should; found by entry points, once installed."""

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import Self

from logger_lib import BatchedLoggerFactory, Limits, Logger, LoggerFactory, LogRecord, Sink


class RaisingLogger(Logger):
    """Raises whatever it is asked."""

    def log(self, record: LogRecord) -> None:
        """Raise."""
        raise RuntimeError(f"no log of {record.id}")

    def flush(self, timeout: float) -> bool:
        """Raise."""
        raise RuntimeError(f"no flush in {timeout}")

    def close(self, timeout: float = 1.0) -> None:
        """Raise."""
        raise RuntimeError(f"no close in {timeout}")


class RaisingLoggerFactory(LoggerFactory):
    """Makes loggers that raise."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make it."""
        return cls()

    def create_logger(self, name: str) -> Logger:  # noqa: ARG002  the contract's
        """Return one."""
        return RaisingLogger()


class RaisingSink(Sink):
    """Raises at each batch."""

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Raise."""
        raise RuntimeError(f"no write of {len(batch)}")


class HangingSink(Sink):
    """Never returns from the first batch; the event loop may go on."""

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Hang."""
        del batch
        threading.Event().wait()


class BlockingSink(Sink):
    """Takes two seconds for each batch, in C, where no event loop goes on; and says so."""

    blocks = True

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Wait, as a C library does."""
        del batch
        ctypes.CDLL(None).usleep(2_000_000)


class RaisingSinkFactory(BatchedLoggerFactory):
    """Makes batched loggers whose destination raises."""

    def __init__(self) -> None:
        super().__init__("raising-sink", Limits(max_records=500))
        self._sink: Sink = RaisingSink()

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make it."""
        return cls()

    @property
    def sink(self) -> Sink:
        """The sink."""
        return self._sink


class HangingSinkFactory(RaisingSinkFactory):
    """Makes batched loggers whose destination hangs for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._sink = HangingSink()


class BlockingSinkFactory(RaisingSinkFactory):
    """Makes batched loggers whose destination blocks its thread."""

    def __init__(self) -> None:
        super().__init__()
        self._sink = BlockingSink()
