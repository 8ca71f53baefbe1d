"""The contract of the library: a family of objects for each destination (Abstract Factory).

Nothing outside a factory knows which logger or reader it talks to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from logger_lib.counters import Counters
from logger_lib.errors import DestinationNotReadable
from logger_lib.pipeline.state import BufferState
from logger_lib.record import LogRecord

_STREAMED_AT_ONCE = 100


class Logger(ABC):
    """One destination of records."""

    durable: bool = False
    """Whether ``flush`` answers True only for what outlives this process and its host's memory."""

    @abstractmethod
    def log(self, record: LogRecord) -> None:
        """Take ``record``; never block on the destination, never raise for its failure."""

    def accepts(self) -> bool:
        """Say whether what is logged now can be expected to be kept; it costs next to nothing.

        A program that answers for its records asks this first, and turns work away meanwhile.
        """
        return True

    @property
    def lost(self) -> int:
        """How many records were taken, or refused for want of room, and are kept nowhere."""
        return 0

    @abstractmethod
    def flush(self, timeout: float) -> bool:
        """Write at once what was taken before this call; say whether all of it is kept.

        False where ``timeout`` seconds were too short, and where something was lost a moment ago.
        """

    def settle(self, timeout: float) -> bool:
        """Write as ``flush`` does; say whether all of it is either kept or counted in ``lost``.

        For who looks at ``lost`` before logging and after this, and so learns of their own losses
        alone.
        """
        return self.flush(timeout)

    @abstractmethod
    def close(self, timeout: float = 1.0) -> None:
        """Flush, then release what the logger holds, within ``timeout`` seconds together.

        What could neither be written nor kept on disk in that time is counted as dropped.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which records to read; None means any. ``since`` is included, ``until`` is not.

    ``events_only`` asks for the first records of events, whose ids are the events'. Each of
    ``words`` has to be one of the record (``words_of``). Records of deliveries are found by
    ``event_id``, and where neither app, event, room nor words are asked for.

    ``since`` and ``until`` look for ``time`` where the ids (UUIDv7) say that it is, and 10 s to
    both sides: whoever logs records of another time gives them ids of that time (``uuid7_at``).
    """

    app: str | None = None
    event: str | None = None
    event_id: str | None = None
    room: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: str | None = None
    limit: int = 100
    events_only: bool = False
    words: tuple[str, ...] = ()


class LogReader(ABC):
    """Reads back what the loggers of the same factory have written."""

    @abstractmethod
    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return at most ``query.limit`` records, newest first by record id.

        Only records older than the record id ``query.before`` are returned, so that the last id
        of one page asks for the next.
        """

    def stream(self, query: LogQuery) -> Iterator[LogRecord]:
        """Yield what ``read`` returns, without having all of it in memory.

        Here a hundred records at a time are; a reader may know a closer bound.
        """
        left = query.limit
        while left > 0:
            some = replace(query, limit=min(left, _STREAMED_AT_ONCE))
            records = self.read(some)
            yield from records
            if len(records) < some.limit:
                return
            left -= some.limit
            query = replace(query, before=records[-1].id)


class LoggerFactory(ABC):
    """Makes the loggers and the reader of one destination, and counts what happens to records."""

    def __init__(self) -> None:
        self._counters: list[Counters] = []

    @property
    def counters(self) -> Counters:
        """What became of all records until now; a copy, that does not change any more."""
        return sum(self._counters, Counters())

    @property
    def state(self) -> BufferState:
        """How its loggers' buffers are just now; one without a buffer is well and has nothing."""
        return BufferState()

    def new_counters(self) -> Counters:
        """Return counters for one more logger, which are part of the factory's."""
        self._counters.append(Counters())
        return self._counters[-1]

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Make the factory from the environment's names and values.

        Raises ``SettingMissing`` naming the variable that the destination needs.
        """

    @abstractmethod
    def create_logger(self, name: str) -> Logger:
        """Return a logger for the part of the program called ``name``."""

    def create_reader(self) -> LogReader:
        """Return the reader of this destination.

        Raises ``DestinationNotReadable`` where the destination can only be written.
        """
        raise DestinationNotReadable(type(self).__name__)

    def prepare(self) -> None:  # noqa: B027  most destinations need nothing
        """Make what the destination needs before its first record: tables, indexes. Repeatable."""

    def close(self) -> None:  # noqa: B027  most factories open nothing
        """Release what the factory opened itself: clients, connections. Its loggers come first."""
