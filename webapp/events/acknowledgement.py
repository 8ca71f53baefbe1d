"""When a publish is answered: what ``EVENT_ACK`` promises."""

from typing import Protocol
from weakref import WeakKeyDictionary

from logger_lib import Logger, LoggerGroup
from webapp.environment import EventAck
from webapp.errors import Unavailable

STORE_SECONDS = 5.0
"""How long a publish waits to be stored. A destination that is slow or down costs a second, until
its batch is on this host's disk."""

ROOM_SECONDS = 1.0
"""How long a publish waits for room in the buffers."""


class Acknowledgement(Protocol):
    """What stands between the fan-out of events and the answer to who published them."""

    def check(self) -> None:
        """Return where more can be promised; raises ``Unavailable``: nothing was done yet."""

    def wait(self) -> None:
        """Return when what was logged is as safe as promised; raises ``Unavailable`` if it is not.

        The sockets have the events by then, and the log may get them still.
        """


class Queued:
    """Promises nothing but that what is answered has a place in the log's buffers.

    While these are full, a publish waits for room, so that nothing is dropped in silence.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def check(self) -> None:
        """Return where there is room, or soon is."""
        if not self._logger.accepts() and not self._logger.flush(ROOM_SECONDS):
            raise Unavailable("the log cannot take more just now: nothing was published, try again")

    def wait(self) -> None:
        """Return."""


class Stored(Queued):
    """Promises that every durable logger has committed what was logged, or has it on disk."""

    def wait(self) -> None:
        """Have what waits committed at once, and wait for it."""
        if not self._logger.flush(STORE_SECONDS):
            raise Unavailable(
                "the event was sent, and could not be stored in time: try again where it must not"
                " be missing from the log (sockets then get it twice)"
            )


class Acknowledgements:
    """The promise that ``EVENT_ACK`` makes, for each logger that events are logged to."""

    def __init__(self, ack: EventAck) -> None:
        self._ack = ack
        self._made: WeakKeyDictionary[LoggerGroup, Acknowledgement] = WeakKeyDictionary()

    def of(self, logger: LoggerGroup) -> Acknowledgement:
        """Return what is promised of events that are logged to ``logger``."""
        made = self._made.get(logger)
        if made is None:
            made = self._made[logger] = self._make(logger)
        return made

    def _make(self, logger: LoggerGroup) -> Acknowledgement:
        promise = Stored if self._ack is EventAck.STORED else Queued
        return promise(logger.durable_members)
