"""The bounds of one logger."""

from dataclasses import dataclass

BREATH = 64
"""After so many items turned into text or back, an event loop goes on."""

BREATH_BYTES = 65_536
"""The same in bytes: JSON of nothing but brackets takes 10 ms for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one logger's buffer, batches and patience; times are in seconds."""

    max_batch: int = 500
    max_delay: float = 0.0
    """How long the first record of a batch may wait for company; 0: until the writer is free."""
    max_batch_bytes: int = 1024 * 1024
    """About how much text a batch makes; the record that reaches it is the batch's last. Between
    two batches an event loop goes on."""
    max_records: int = 10_000
    """What may wait before ``accepts`` says no; what comes beyond twice as many is dropped."""
    max_bytes: int = 32 * 1024 * 1024
    """The same in bytes of memory, as ``LogRecord.weight`` reckons them."""
    idle: float = 10.0
    """How long a thread waits for work before it ends; the next record starts another."""
    deadline: float = 1.0
    """How long a batch may take before it is put into the spool instead."""
    attempts: int = 4
    """Without a spool: how often a batch is tried before it has failed."""
    first_pause: float = 0.2
    """The longest wait after a failure; each one after that doubles it. Up to half is left out."""
    longest_pause: float = 5.0
    """How long after a destination's return it is asked again at the latest."""
    spool_pause: float = 0.5
    """The wait before a disk that was full is tried again."""
    loss_seconds: float = 10.0
    """For how long after a record was lost a flush that may have to do with it answers False: who
    logs and then flushes takes less than that in between."""

    @property
    def hard_records(self) -> int:
        """Beyond so many records the newest is dropped."""
        return 2 * self.max_records

    @property
    def hard_bytes(self) -> int:
        """Beyond so many bytes the newest is dropped."""
        return 2 * self.max_bytes


DEFAULT_LIMITS = Limits()

LINES_LIMITS = Limits(
    max_batch=4000,
    max_batch_bytes=4 * 1024 * 1024,
    max_delay=0.01,
    max_records=25_000,
    max_bytes=16 * 1024 * 1024,
    # Lines have no ids: of a batch that was half written the first half would be there twice.
    attempts=1,
)
"""For lines of text: to hand a batch to another thread and back takes as long as hundreds."""
