"""The ``memory`` destination: records kept in the process, for tests and for trying things out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Self

from logger_lib.counters import Counters
from logger_lib.logger import Logger, LoggerFactory, LogQuery, LogReader
from logger_lib.matching import answers
from logger_lib.record import LogRecord

_CAPACITY = 10_000
_MAX_BYTES = 16 * 1024 * 1024


class MemoryLoggerFactory(LoggerFactory):
    """Makes loggers and a reader of one store; when it is full the oldest records give way.

    Full is ``capacity`` records, or about ``max_bytes`` of memory.
    """

    def __init__(self, capacity: int = _CAPACITY, max_bytes: int = _MAX_BYTES) -> None:
        super().__init__()
        self._store = _Store(capacity, max_bytes)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make the factory; it needs no setting."""
        return cls()

    @property
    def records(self) -> list[LogRecord]:
        """What was logged, in the order in which it was."""
        return self._store.all()

    def create_logger(self, name: str) -> Logger:  # noqa: ARG002  the contract's
        """Return a logger that stores at once, without a thread."""
        return MemoryLogger(self._store, self.new_counters())

    def create_reader(self) -> LogReader:
        """Return the reader of this store."""
        return MemoryReader(self._store)


class MemoryLogger(Logger):
    """Stores each record once, by its id."""

    def __init__(self, store: _Store, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self._closed = False

    def log(self, record: LogRecord) -> None:
        """Store ``record`` before returning."""
        with self._store.lock:
            self._counters.taken += 1
            if self._closed:
                self._counters.dropped += 1
                return
            self._store.put(record)
            self._counters.written += 1

    def flush(self, timeout: float) -> bool:  # noqa: ARG002  the contract's
        """Return True: nothing ever waits."""
        return True

    def close(self, timeout: float = 1.0) -> None:  # noqa: ARG002  the contract's
        """Take no more; what is stored stays readable."""
        self._closed = True


class MemoryReader(LogReader):
    """Reads the store by going through all of it."""

    def __init__(self, store: _Store) -> None:
        self._store = store

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``query`` asks for, newest first by record id."""
        newest_first = sorted(self._store.all(), key=lambda record: record.id, reverse=True)
        return [record for record in newest_first if answers(record, query)][: query.limit]


class _Store:
    def __init__(self, capacity: int, max_bytes: int) -> None:
        self.lock = threading.Lock()
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._records: OrderedDict[str, LogRecord] = OrderedDict()
        self._bytes = 0

    def put(self, record: LogRecord) -> None:
        if record.id in self._records:
            return
        self._records[record.id] = record
        self._bytes += record.weight
        while len(self._records) > self._capacity or self._bytes > self._max_bytes:
            _, gone = self._records.popitem(last=False)
            self._bytes -= gone.weight

    def all(self) -> list[LogRecord]:
        with self.lock:
            return list(self._records.values())
