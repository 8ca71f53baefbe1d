"""What is logged: one frozen record about an event, or about its deliveries."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from logger_lib.failure import Failure
from logger_lib.identifier import identifier_of
from logger_lib.ids import uuid7
from logger_lib.json_value import JsonObject
from logger_lib.weight import memory_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_OWN_BYTES = 600
"""A record without its data: ids, names, the time, places in buffers."""
_ROOM_BYTES = 128
"""A room without its name."""
_FRAME_BYTES = 500
"""A call of a failure."""
_RECIPIENT_BYTES = 8
"""The sids themselves are the server's; a record holds its references to them."""


class Level(IntEnum):
    """How grave a record is; the numbers are those of the standard ``logging`` module."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


def level_of(number: int) -> Level:
    """Return the level of ``number``; between two of them, as programs have, it is the lower."""
    try:
        return Level(number)
    except ValueError:
        return max((level for level in Level if level <= number), default=Level.DEBUG)


class _Weighed:
    """The place for what a record was found to weigh, which is none of its fields."""

    __slots__ = ("_weight",)
    _weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(_Weighed):
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

    @property
    def weight(self) -> int:
        """About how many bytes of memory it holds; reckoned once, when a buffer first asks."""
        weight = getattr(self, "_weight", 0)
        if not weight:
            try:
                weight = self._reckoned()
            except (TypeError, AttributeError):
                # Not what its annotations say: a destination refuses it, and no caller hears of it.
                weight = _OWN_BYTES + memory_of(
                    {"": [self.event, self.message, self.app, self.fields]}
                )
            object.__setattr__(self, "_weight", weight)
        return weight

    def _reckoned(self) -> int:
        weight = (
            _OWN_BYTES
            + len(self.event)
            + len(self.message)
            + len(self.recipients) * _RECIPIENT_BYTES
            + memory_of(self.fields)
        )
        if self.app is not None:
            weight += len(self.app)
        if self.rooms:
            weight += len(self.rooms) * _ROOM_BYTES + sum(map(len, self.rooms))
        if self.failure is not None:
            weight += len(self.failure.frames) * _FRAME_BYTES
        return weight


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
