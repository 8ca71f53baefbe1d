"""What was published, read back from the first of the loggers that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from logger_lib import (
    DestinationUnreachable,
    JsonObject,
    LogQuery,
    LogReader,
    LogRecord,
    ReadTooLong,
)
from webapp.errors import LogNotReadable, NotFound, SearchTooLong, Unavailable

READ_AT_ONCE = 100
"""How many events one read is asked for where all are: each has its own time."""

MAX_RECORDS = 10_000
"""How many records of one event are read: one a host that delivered it, some of those that came
back for it, and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which events are asked for; None means any, and no app is all of them."""

    app_id: str | None
    event: str | None = None
    room: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it is in the log."""

    record: LogRecord

    @property
    def id(self) -> str:
        """The id that its publisher was told."""
        return self.record.id

    def to_wire(self) -> JsonObject:
        """Return what a search answers of it."""
        return {
            "id": self.record.id,
            "event": self.record.event,
            "rooms": list(self.record.rooms),
            "data": self.record.fields,
            "at": moment_text(self.record.time),
        }


@dataclass(frozen=True, slots=True)
class DeliveredEvent:
    """One event with the sids of the sockets that it was handed to, by whichever host."""

    event: StoredEvent
    sids: tuple[str, ...]

    def to_wire(self) -> JsonObject:
        """Return the answer about this event."""
        return {
            **self.event.to_wire(),
            "recipients": len(self.sids),
            "deliveries": [{"sid": sid} for sid in self.sids],
        }


class EventLog:
    """Reads events and their deliveries. ``reader`` is None where no logger can be read.

    Every method raises ``LogNotReadable`` then, and ``Unavailable`` where the log is out of reach.
    """

    def __init__(self, reader: LogReader | None) -> None:
        self._reader = reader

    def newest(
        self, search: Search, before: str | None = None, most: int | None = None
    ) -> Iterator[StoredEvent]:
        """Yield what ``search`` asks for, newest first, ``most`` at most, in bounded memory.

        ``before``: only what is older than the event of this id. Raises ``SearchTooLong`` where
        too many events have to be looked at for these; without ``most`` it takes as long as it
        takes, and raises that only where the search gets no further at all.
        """
        if most is not None:
            yield from self._page(search, before, most)
            return
        while True:
            found = 0
            try:
                for event in self._page(search, before, READ_AT_ONCE):
                    found += 1
                    before = event.id
                    yield event
            except SearchTooLong as error:
                if error.reached is None:
                    raise
                before = error.reached
            else:
                if found < READ_AT_ONCE:
                    return

    def _page(self, search: Search, before: str | None, most: int) -> Iterator[StoredEvent]:
        query = LogQuery(
            app=search.app_id,
            event=search.event,
            room=search.room,
            since=search.since,
            until=search.until,
            words=search.words,
            before=before,
            limit=most,
            events_only=True,
        )
        return map(StoredEvent, self._read(query))

    def find(self, event_id: str, app_id: str) -> DeliveredEvent:
        """Return one event of an app; raises ``NotFound`` where that app has none of this id."""
        own: LogRecord | None = None
        deliveries: list[tuple[str, ...]] = []
        for record in self._read(LogQuery(event_id=event_id, app=app_id, limit=MAX_RECORDS)):
            own = record if record.id == event_id else own
            deliveries.append(record.recipients)
        if own is None:
            raise NotFound(f"There is no event {event_id} in the log of this app.")
        sids = [sid for recipients in reversed(deliveries) for sid in recipients]
        return DeliveredEvent(StoredEvent(own), tuple(dict.fromkeys(sids)))

    def _read(self, query: LogQuery) -> Iterator[LogRecord]:
        if self._reader is None:
            raise LogNotReadable(
                "None of this server's loggers can be read: name sql or mongodb in EVENT_LOGGERS."
            )
        with _outage_told():
            yield from self._reader.stream(query)


def moment_text(moment: datetime) -> str:
    """Return ``moment`` in UTC as ISO 8601 has it, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@contextmanager
def _outage_told() -> Iterator[None]:
    try:
        yield
    except DestinationUnreachable as error:
        raise Unavailable("The log is out of reach. Try again in a moment.") from error
    except ReadTooLong as error:
        raise SearchTooLong(
            "Too many events have to be looked at for so few: add since, an event or a room.",
            error.reached,
        ) from error
