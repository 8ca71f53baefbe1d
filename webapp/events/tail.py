"""New events as they come to the log."""

from itertools import islice

from logger_lib.ids import earliest_id
from webapp.events.event_log import EventLog, Search, StoredEvent

LATE_SECONDS = 5.0
"""How much later than a younger event one may come to the log and still be seen: hosts write in
batches, each its own."""


class Tail:
    """Looks at the log again and again, and returns each event once, oldest first."""

    def __init__(self, log: EventLog, search: Search, now: float) -> None:
        self._log = log
        self._search = search
        self._floor = _floor(int(now * 1000))
        self._seen: set[str] = set()

    def last(self, most: int) -> list[StoredEvent]:
        """Return the last ``most`` events that are there; from then on the others count as old."""
        newest = list(islice(self._log.newest(self._search), max(1, most)))
        if newest:
            self._floor = _floor(_milliseconds(newest[0].id))
        self.new()
        return newest[:most][::-1]

    def new(self) -> list[StoredEvent]:
        """Return what has come since the last call."""
        found: list[StoredEvent] = []
        for event in self._log.newest(self._search):
            if event.id < self._floor:
                break
            if event.id not in self._seen:
                found.append(event)
        self._seen.update(event.id for event in found)
        if found:
            self._floor = max(self._floor, _floor(_milliseconds(found[0].id)))
            self._seen = {event_id for event_id in self._seen if event_id >= self._floor}
        return found[::-1]


def _floor(milliseconds: int) -> str:
    return earliest_id(milliseconds - int(LATE_SECONDS * 1000))


def _milliseconds(event_id: str) -> int:
    return int(event_id[:8] + event_id[9:13], 16)
