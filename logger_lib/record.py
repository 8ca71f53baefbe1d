"""What is logged: one frozen record about an event, or about its deliveries."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from logger_lib.failure import Failure
from logger_lib.identifier import identifier_of
from logger_lib.ids import uuid7
from logger_lib.json_value import JsonObject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Level(IntEnum):
    """How grave a record is; the numbers are those of the standard ``logging`` module."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One entry of the log.

    ``id`` is the record's own UUIDv7: a destination that is sent the same record twice stores it
    once. ``time`` is in UTC. ``event_id`` ties a delivery record to the record of its event.
    ``recipients`` are the sids of the sockets that the event was handed to. ``failure`` is where
    the program failed, in a record about an exception.
    """

    event: str
    message: str
    id: str = field(default_factory=uuid7)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    level: Level = Level.INFO
    fields: JsonObject = field(default_factory=dict)
    event_id: str | None = None
    app: str | None = None
    rooms: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    failure: Failure | None = None


def event_record(
    event: str,
    data: JsonObject,
    *,
    event_id: str,
    time: datetime,
    app: str | None = None,
    rooms: tuple[str, ...] = (),
) -> LogRecord:
    """Return the first record of an event; its message names the identifier that says most.

    Its id is the event's.
    """
    identifier = identifier_of(event, data)
    return LogRecord(
        id=event_id,
        event=event,
        message=str(identifier) if identifier else "published",
        fields=data,
        event_id=event_id,
        time=time,
        app=app,
        rooms=rooms,
    )


def delivery_record(
    event: str,
    recipients: tuple[str, ...],
    *,
    event_id: str,
    time: datetime,
    app: str | None = None,
    rooms: tuple[str, ...] = (),
) -> LogRecord:
    """Return the record of an event's deliveries, one recipient a socket."""
    return LogRecord(
        event=event,
        message="event sent to",
        event_id=event_id,
        time=time,
        app=app,
        rooms=rooms,
        recipients=recipients,
    )


def microseconds_of(time: datetime) -> int:
    """Return ``time`` in microseconds since 1970: dates of destinations often end before those."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """Return the time, in UTC, of what ``microseconds_of`` returned."""
    return _EPOCH + microseconds * _MICROSECOND
