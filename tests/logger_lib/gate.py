"""A destination as a third party would write it, that a test can hold up, break and fill."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from logger_lib import BatchedLoggerFactory, Limits, LogRecord, RecordsRejected, Sink, SpoolPlace
from logger_lib.pipeline.limits import DEFAULT_LIMITS


class Gate(Sink):
    """Keeps its batches, and stores each record once; a test opens and closes it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        """The names of the events of each batch that was taken."""
        self.stored: dict[str, LogRecord] = {}
        self.tried = 0
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.lasts = 0.0
        """How many seconds a batch takes at least."""
        self.error: BaseException | None = None
        self.refuses: Callable[[LogRecord], str | None] = lambda _: None
        self.prepared = 0
        self.prepare_error: Exception | None = None

    def prepare(self) -> None:
        """Count, or fail as told."""
        if self.prepare_error is not None:
            raise self.prepare_error
        self.prepared += 1

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Wait for the gate, then keep the batch, or fail or refuse as told."""
        self.tried += 1
        self.entered.release()
        assert self.open.wait(20)
        threading.Event().wait(self.lasts)
        if self.error is not None:
            raise self.error
        refusals = [(entry, reason) for entry in batch if (reason := self.refuses(entry))]
        refused = {entry.id for entry, _ in refusals}
        self.batches.append([entry.event for entry in batch if entry.id not in refused])
        for entry in batch:
            if entry.id not in refused:
                self.stored.setdefault(entry.id, entry)
        if refusals:
            raise RecordsRejected(refusals)

    @property
    def events(self) -> list[str]:
        """The names of the events that are stored, in the order in which they first were."""
        return [entry.event for entry in self.stored.values()]


class GateFactory(BatchedLoggerFactory):
    """Makes loggers that write to a ``Gate``."""

    durable = True

    def __init__(
        self, limits: Limits, spool: SpoolPlace | None = None, gate: Gate | None = None
    ) -> None:
        super().__init__("gate", limits, spool)
        self.gate = gate or Gate()

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make it with the library's own limits; it needs no setting."""
        return cls(DEFAULT_LIMITS)

    @property
    def sink(self) -> Gate:
        """The gate."""
        return self.gate
