"""What became of the records given to a destination."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from logger_lib.durations import Durations


@dataclass(slots=True)
class Counters:
    """Numbers of records since the process started.

    Each logger has its own and changes them under a lock of its own, which keeps them exact; a
    factory's are the sum of its loggers'. Of what was taken, every record is either still waiting
    in memory or counted in exactly one of ``written``, ``dropped``, ``failed``, ``dead`` and
    ``in_spool``.
    """

    taken: int = 0
    """Logged here, or found in the spool of a process that ended."""
    written: int = 0
    """Stored by the destination."""
    dropped: int = 0
    """Refused because the buffer was full, or still waiting when the logger was closed."""
    failed: int = 0
    """Lost: given up by the destination or refused by it, with no place to keep them."""
    dead: int = 0
    """Refused for good by the destination, and kept as dead letters."""
    spooled: int = 0
    """Put into the spool, or found there."""
    replayed: int = 0
    """Gone from the spool again: written, dead, or no longer to be read."""
    retried: int = 0
    """Given to a destination that had failed just before; once for each time."""
    opened: int = 0
    """How often the destination was given up for a while; not a number of records."""
    torn: int = 0
    """Lines of the spool that could not be read: cut off by the end of a process, or damaged."""
    writes: Durations = field(default_factory=Durations, compare=False)
    """How long each batch took that was given to the destination, with success or not."""

    @property
    def lost(self) -> int:
        """How many are kept nowhere."""
        return self.dropped + self.failed

    @property
    def in_spool(self) -> int:
        """How many wait on disk now."""
        return self.spooled - self.replayed

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            **{
                each.name: getattr(self, each.name) + getattr(other, each.name)
                for each in fields(Counters)
            }
        )
