"""New events as they come to the log."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from logger_lib.ids import earliest_id
from webapp.errors import SearchTooLong
from webapp.events.event_log import EventLog, Search, StoredEvent

LATE_SECONDS = 5.0
"""How much later than a younger event one may come to the log and still be seen: hosts write in
batches, each its own."""

_CLOCK_SECONDS = 10.0
"""How much an event's time may be behind that in its id."""


class Tail:
    """Looks at the log again and again, and returns each event once, oldest first.

    ``clock`` returns the seconds since 1970.
    """

    def __init__(self, log: EventLog, search: Search, clock: Callable[[], float]) -> None:
        self._log = log
        self._search = search
        self._clock = clock
        self._floor_ms = _floor_ms(clock())
        self._seen: set[str] = set()

    def last(self, most: int) -> list[StoredEvent]:
        """Return the last ``most`` events that are there; those before them count as old.

        They may be fewer where they are rare: what is old is not looked for any longer than a
        page is.
        """
        newest: list[StoredEvent] = []
        with suppress(SearchTooLong):
            for event in self._log.newest(self._search, most=max(1, most)):
                newest.append(event)
        if newest:
            self._floor_ms = self._floor_below(newest[0].id)
            self._see(newest)
            with suppress(SearchTooLong):
                self._see(self._above_floor(before=newest[-1].id))
        return newest[:most][::-1]

    def new(self) -> list[StoredEvent]:
        """Return what has come since the last call."""
        found = [event for event in self._above_floor() if event.id not in self._seen]
        self._see(found)
        if found:
            self._floor_ms = max(self._floor_ms, self._floor_below(found[0].id))
            floor = earliest_id(self._floor_ms)
            self._seen = {event_id for event_id in self._seen if event_id >= floor}
        return found[::-1]

    def _see(self, events: "Iterator[StoredEvent] | list[StoredEvent]") -> None:
        self._seen.update(event.id for event in events)

    def _above_floor(self, before: str | None = None) -> Iterator[StoredEvent]:
        """Yield what may be new, newest first; nothing older is looked at."""
        since = datetime.fromtimestamp(self._floor_ms / 1000, UTC)
        bounded = replace(self._search, since=since - timedelta(seconds=_CLOCK_SECONDS))
        floor = earliest_id(self._floor_ms)
        for event in self._log.newest(bounded, before):
            if event.id < floor:
                return
            yield event

    def _floor_below(self, newest_id: str) -> int:
        """Return the time up to which nothing new comes any more.

        A host whose clock is ahead does not hide what the others publish.
        """
        newest = int(newest_id[:8] + newest_id[9:13], 16)
        return _floor_ms(min(newest / 1000, self._clock()))


def _floor_ms(seconds: float) -> int:
    return max(0, int((seconds - LATE_SECONDS) * 1000))
