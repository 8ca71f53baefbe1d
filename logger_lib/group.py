"""Several loggers that act as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from logger_lib.logger import Logger
from logger_lib.notice import Notice
from logger_lib.pipeline.lifetime import Forked, lock_holders
from logger_lib.record import LogRecord

Told = TypeVar("Told")

_LOSS_SECONDS = 10.0
"""For how long a flush tells of a record that a durable member refused by raising."""


class LoggerGroup(Logger):
    """Hands each record to every member; one that raises keeps it from none of the others.

    ``members`` maps the name of each destination, as it is said on stderr, to its logger.
    The group is durable where one of its members is.
    """

    def __init__(self, members: Mapping[str, Logger]) -> None:
        self._join([_Member(name, logger) for name, logger in members.items()])

    @classmethod
    def _of(cls, members: Iterable[_Member]) -> LoggerGroup:
        group = cls({})
        group._join(list(members))
        return group

    def _join(self, members: list[_Member]) -> None:
        self._members = members
        self._durable = [member for member in members if member.logger.durable]
        self.durable = bool(self._durable)

    @property
    def failed(self) -> int:
        """How often a member raised instead of taking a record."""
        return sum(member.failed for member in self._members)

    @property
    def durable_members(self) -> LoggerGroup:
        """The durable members alone: to flush these waits for no stalled terminal."""
        return LoggerGroup._of(_durable_part(self._members))

    def accepts(self) -> bool:
        """Say whether every durable member accepts; the others are no reason to refuse."""
        return all(member.accepts() for member in self._durable)

    def log(self, record: LogRecord) -> None:
        """Hand ``record`` to all, in the order of ``members``."""
        for member in self._members:
            try:
                member.logger.log(record)
            except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
                member.raised(error)

    @property
    def lost(self) -> int:
        """How many records the members have lost, or raised instead of taking them."""
        return sum(member.lost for member in self._members)

    def flush(self, timeout: float) -> bool:
        """Flush all within ``timeout`` seconds together; True when all that was taken is kept."""
        return self._of_all(_Member.flush, timeout)

    def settle(self, timeout: float) -> bool:
        """Flush all; True when all that was taken is kept or counted in ``lost``."""
        return self._of_all(_Member.settle, timeout)

    def _of_all(self, ask: Callable[[_Member, float], bool], timeout: float) -> bool:
        if len(self._members) == 1:
            return ask(self._members[0], timeout)
        deadline = time.monotonic() + timeout
        # First ask all, so that they write at the same time; then wait for each.
        for member in self._members:
            ask(member, 0.0)
        kept = [ask(member, max(0.0, deadline - time.monotonic())) for member in self._members]
        return all(kept)

    def close(self, timeout: float = 1.0) -> None:
        """Close all within ``timeout`` seconds together."""
        deadline = time.monotonic() + timeout
        # Half of the time for all at once; of the rest each has its share, as one that hangs must
        # leave the others the time to put on disk what they hold.
        self.flush(timeout / 2)
        durable_first = sorted(self._members, key=lambda member: not member.logger.durable)
        for left, member in zip(range(len(self._members), 0, -1), durable_first, strict=True):
            member.close(max(0.0, deadline - time.monotonic()) / left)


class _Member(Forked):
    """A logger that may be a third party's and raise anything."""

    def __init__(self, name: str, logger: Logger) -> None:
        self.name = name
        self.logger = logger
        self.failed = 0
        self._notice = Notice(f"Herald logger '{name}'")
        self._lost_at: float | None = None
        self.forget_parent()
        lock_holders.add(self)

    def forget_parent(self) -> None:
        """Leave the lock to the parent, one of whose threads may hold it."""
        self._lock = threading.RLock()

    def raised(self, error: Exception) -> None:
        """Count a record that the logger did not take."""
        with self._lock:
            self.failed += 1
        self._lost_at = time.monotonic()
        self._notice.cannot_write(error)

    def accepts(self) -> bool:
        return self._told(self.logger.accepts, False)

    @property
    def lost(self) -> int:
        return self.failed + self._told(self._ask_lost, 0)

    def _ask_lost(self) -> int:
        return self.logger.lost

    def flush(self, timeout: float) -> bool:
        since = time.monotonic() - _LOSS_SECONDS
        kept = self._told(lambda: self.logger.flush(timeout), False)
        return kept and (self._lost_at is None or self._lost_at < since)

    def settle(self, timeout: float) -> bool:
        return self._told(lambda: self.logger.settle(timeout), False)

    def close(self, timeout: float) -> None:
        self._told(lambda: self.logger.close(timeout), None)

    def _told(self, ask: Callable[[], Told], otherwise: Told) -> Told:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
            self._notice.cannot_write(error)
            return otherwise


def _durable_part(members: Iterable[_Member]) -> Iterable[_Member]:
    for member in members:
        if isinstance(member.logger, LoggerGroup):
            yield from _durable_part(member.logger._members)
        elif member.logger.durable:
            yield member
