"""What the readers of destinations that keep terms have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from logger_lib.errors import ReadTooLong
from logger_lib.ids import earliest_id
from logger_lib.logger import LogQuery, LogReader
from logger_lib.record import LogRecord, microseconds_of
from logger_lib.terms import asks_by_terms, terms_asked

READ_SECONDS = 5.0
"""How long a read may take."""
_TOLERANCE = 10_000_000
"""How many microseconds the time in a record's id may be away from the record's own."""


@dataclass(frozen=True, slots=True)
class Span:
    """The ids between which a read looks; ``lower`` is included, ``upper`` is not."""

    lower: str | None
    upper: str | None


class Deadline:
    """The end of the time that one read may take."""

    def __init__(self) -> None:
        self._at = time.monotonic() + READ_SECONDS

    def left(self) -> float:
        """Return how many seconds are left; raises ``ReadTooLong`` where there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise ReadTooLong(READ_SECONDS)
        return left


class TermReader(LogReader):
    """Reads the newest records that one or several terms find, or all."""

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``query`` asks for, newest first by record id.

        Raises ``ReadTooLong`` after ``READ_SECONDS``, ``DestinationUnreachable`` where the
        destination does not answer.
        """
        if query.limit <= 0:
            return []
        if query.event_id is not None:
            return self._of_event(query, query.event_id)
        deadline, span = Deadline(), _span_of(query)
        if not asks_by_terms(query):
            return self._newest(query, (), span, deadline)
        if query.app is not None:
            return self._newest(query, terms_asked(query, query.app), span, deadline)
        return self._newest_of_all(query, span, deadline)

    def _newest_of_all(self, query: LogQuery, span: Span, deadline: Deadline) -> list[LogRecord]:
        """Read each app's newest records and keep the newest of these."""
        found: list[LogRecord] = []
        for app in self._apps():
            if len(found) == query.limit:
                span = replace(span, lower=found[-1].id)
            found += self._newest(query, terms_asked(query, app), span, deadline)
            found.sort(key=lambda record: record.id, reverse=True)
            del found[query.limit :]
        return found

    @abstractmethod
    def _of_event(self, query: LogQuery, event_id: str) -> list[LogRecord]:
        """Return what ``query`` asks for of the few records of one event."""

    @abstractmethod
    def _apps(self) -> list[str]:
        """Return the apps that there are records of; ``""`` where some have none."""

    @abstractmethod
    def _newest(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> list[LogRecord]:
        """Return the newest records in ``span`` that all ``terms`` find, as ``query`` asks."""


def _span_of(query: LogQuery) -> Span:
    uppers = [] if query.before is None else [query.before]
    if query.until is not None:
        uppers.append(earliest_id((microseconds_of(query.until) + _TOLERANCE) // 1000 + 1))
    lower = None
    if query.since is not None:
        lower = earliest_id((microseconds_of(query.since) - _TOLERANCE) // 1000)
    return Span(lower, min(uppers, default=None))
