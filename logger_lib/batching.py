"""Loggers whose records reach their destination in batches: a pipeline behind the contract."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence

from logger_lib import record_json
from logger_lib.counters import Counters
from logger_lib.errors import RecordsRejected
from logger_lib.logger import Logger, LoggerFactory
from logger_lib.notice import Notice
from logger_lib.offload import Offload, inline
from logger_lib.pipeline.dead_letters import DeadLetters
from logger_lib.pipeline.limits import DEFAULT_LIMITS, Limits
from logger_lib.pipeline.pipeline import Pipeline
from logger_lib.pipeline.state import BufferState
from logger_lib.record import LogRecord
from logger_lib.refusals import Refusal
from logger_lib.spool.spool import Spool, SpoolPlace

_LINE_BYTES = 100
"""What a destination may make of one recipient: a line of text, an element of JSON."""


class Sink(ABC):
    """Where batches go. It is called from one thread a logger, and may block and raise."""

    blocks: bool = False
    """Whether it waits in C, where no event loop goes on: it is called through the factory's
    ``offload`` then, and neither logs nor uses green sockets and locks."""

    def prepare(self) -> None:  # noqa: B027  most destinations need nothing
        """Make what the destination needs; called before the first batch until it succeeds."""

    @abstractmethod
    def write(self, batch: Sequence[LogRecord]) -> None:
        """Write ``batch``, in order.

        Raises ``RecordsRejected`` for the records that can never be written there, when the rest of
        the batch was; any other error when nothing is known to be: the same batch may come again.
        """


class _PreparedSink:
    """A sink as the destination of a pipeline."""

    def __init__(self, sink: Sink, offload: Offload) -> None:
        self._sink = sink
        self._offload = offload if sink.blocks else inline
        self._prepared = False

    def write(self, batch: Sequence[LogRecord]) -> Sequence[Refusal]:
        """Write ``batch``; return what was refused."""
        if not self._prepared:
            self._offload(self._sink.prepare)
            self._prepared = True
        try:
            self._offload(lambda: self._sink.write(batch))
        except RecordsRejected as rejected:
            return rejected.refusals
        return ()


class _RecordForm:
    """A record as an item of a pipeline."""

    def text_bytes(self, record: LogRecord, size: int) -> int:
        """Return about how much text a destination makes of ``record``."""
        return size + len(record.recipients) * _LINE_BYTES

    def encode(self, record: LogRecord) -> str:
        """Return ``record`` as JSON."""
        return record_json.to_json(record)

    def decode(self, text: str) -> LogRecord:
        """Return the record of ``text``."""
        return record_json.from_json(text)


class BatchedLogger(Logger):
    """A logger whose records are written by a thread of its own, in the order they came in."""

    def __init__(
        self,
        sink: Sink,
        *,
        offload: Offload = inline,
        name: str,
        counters: Counters,
        notice: Notice,
        limits: Limits = DEFAULT_LIMITS,
        durable: bool = False,
        spool: Spool | None = None,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self.durable = durable
        self._counters = counters
        self._pipeline = Pipeline(
            _PreparedSink(sink, offload),
            _RecordForm(),
            name=name,
            counters=counters,
            notice=notice,
            limits=limits,
            spool=spool,
            dead_letters=dead_letters,
        )
        self._put = self._pipeline.put

    def accepts(self) -> bool:
        """Say whether what is logged now can be expected to be kept."""
        return self._pipeline.accepts()

    def log(self, record: LogRecord) -> None:
        """Put ``record`` into the buffer, or drop and count it if it does not fit."""
        self._put(record, record.weight)

    @property
    def state(self) -> BufferState:
        """How its buffer is just now."""
        return self._pipeline.state

    @property
    def lost(self) -> int:
        """How many records found no room, or no destination that took them and no dead letters."""
        return self._counters.lost

    def flush(self, timeout: float) -> bool:
        """Commit at once what waits; True when all of it, and what came before, is kept."""
        return self._pipeline.flush(timeout)

    def settle(self, timeout: float) -> bool:
        """Commit at once what waits; True when all of it is kept or counted in ``lost``."""
        return self._pipeline.settle(timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Flush, put what is left into the spool if there is one, and end the threads.

        What is kept nowhere then is counted as dropped, and said. A batch that is being written
        when the time is over goes on.
        """
        self._pipeline.close(timeout)

    def wake(self) -> None:
        """Write what an earlier process has left in the spool, without waiting for a record."""
        self._pipeline.wake()


class BatchedLoggerFactory(LoggerFactory):
    """What the factories of batched destinations share: a sink, a notice and the counters.

    ``durable`` says of a class whether its destination keeps what it has taken; only such a one
    can have a spool, as its writes have to bear being repeated.
    """

    durable: bool = False

    offload: Offload = staticmethod(inline)
    """Where a sink that ``blocks`` is called. A program on an event loop sets its own before it
    makes the first logger."""

    def __init__(
        self,
        destination: str,
        limits: Limits = DEFAULT_LIMITS,
        spool: SpoolPlace | None = None,
    ) -> None:
        super().__init__()
        self._destination = destination
        self._limits = limits
        self._notice = Notice(f"Herald logger '{destination}'")
        self._spool = spool
        self._dead_letters: DeadLetters | None = None
        if spool is not None:
            path = spool.dead_letters_path(destination)
            self._dead_letters = DeadLetters(path, destination, spool.offload)
        self._loggers: weakref.WeakSet[BatchedLogger] = weakref.WeakSet()

    @property
    def state(self) -> BufferState:
        """How the buffers of all its loggers are just now, as one."""
        return sum((logger.state for logger in list(self._loggers)), BufferState())

    @property
    @abstractmethod
    def sink(self) -> Sink:
        """Where the loggers of this factory write; they may do so at the same time."""

    def create_logger(self, name: str) -> Logger:
        """Return a logger with a buffer, a thread and, where there is a place, a spool."""
        place = self._spool
        logger = BatchedLogger(
            self.sink,
            offload=self.offload,
            name=f"herald-{self._destination}-{name}",
            counters=self.new_counters(),
            notice=self._notice,
            limits=self._limits,
            durable=self.durable,
            spool=place.spool(f"{self._destination}-{name}") if place else None,
            dead_letters=self._dead_letters,
        )
        self._loggers.add(logger)
        return logger

    def prepare(self) -> None:
        """Make what the destination needs before its first record. Repeatable.

        What an earlier process left in the spool is written from now on, also where this raises.
        """
        try:
            (self.offload if self.sink.blocks else inline)(self.sink.prepare)
        finally:
            for logger in list(self._loggers):
                logger.wake()
