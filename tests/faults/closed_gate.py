"""A durable destination of a third party that takes nothing until a file says so."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from logger_lib import BatchedLoggerFactory, Limits, LogRecord, Sink

OPEN, STORED = "gate-is-open", "gate-stored.txt"
MOST = 2000
"""Records that may wait; what comes beyond twice as many is dropped."""


class ClosedGate(Sink):
    """Waits for ``OPEN`` in its directory, then adds the name of each record's event to a file."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Wait, then write."""
        while not (self._home / OPEN).exists():
            time.sleep(0.02)
        with (self._home / STORED).open("a") as file:
            file.writelines(f"{record.event}\n" for record in batch)


class ClosedGateFactory(BatchedLoggerFactory):
    """Makes loggers with a small buffer and no spool."""

    durable = True

    def __init__(self, home: Path) -> None:
        super().__init__("closed-gate", Limits(max_records=MOST))
        self._sink = ClosedGate(home)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Use ``HERALD_HOME``."""
        return cls(Path(settings["HERALD_HOME"]))

    @property
    def sink(self) -> Sink:
        """The gate."""
        return self._sink
