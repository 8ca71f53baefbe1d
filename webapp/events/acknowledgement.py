"""When a publish is answered: what ``EVENT_ACK`` promises."""

import time
from weakref import WeakKeyDictionary

from logger_lib import Logger, LoggerGroup
from webapp.environment import EventAck
from webapp.errors import RecordLost, Unavailable

STORE_SECONDS = 5.0
"""How long a publish waits to be stored. A destination that is slow or down costs a second, until
its batch is on this host's disk."""

ROOM_SECONDS = 1.0
"""How long a publish waits for room in the buffers."""

POLL_SECONDS = 0.02
"""How often it looks where there is nothing to wait for: a disk or a destination that is down."""


class Acknowledgement:
    """What stands between the fan-out of events and the answer to who published them.

    ``queued`` promises that what is answered has a place in the buffers of every durable logger;
    ``stored`` that these have committed it, or have it on disk.
    """

    def __init__(self, logger: Logger, *, stored: bool) -> None:
        self._logger = logger
        self._stored = stored

    def check(self) -> int:
        """Return how much has been lost until now, for ``confirm``, once more can be promised.

        Raises ``Unavailable`` where it cannot be for ``ROOM_SECONDS``: nothing was done yet.
        Between this and the logging of a few records nobody else may get a turn.
        """
        logger = self._logger
        if not logger.accepts():
            self._await_room()
        return logger.lost

    def confirm(self, lost_before: int) -> None:
        """Return when what was logged after ``check`` is as safe as promised.

        The sockets have the events by then. Raises ``RecordLost`` where something was lost since,
        whoever logged it, and ``Unavailable`` where it takes too long: the log may get it still.
        """
        settled = not self._stored or self._logger.settle(STORE_SECONDS)
        if self._logger.lost > lost_before:
            raise RecordLost(
                "the event was sent, and its record may be lost: try again where it must not be"
                " missing from the log (sockets then get it twice)"
            )
        if not settled:
            raise Unavailable(
                "the event was sent, and is not stored yet: send the same call again with the same"
                " Idempotency-Key to learn when it is; without one, sockets then get it twice"
            )

    def _await_room(self) -> None:
        deadline = time.monotonic() + ROOM_SECONDS
        while not self._logger.accepts():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(
                    "the log cannot take more just now: nothing was published, try again"
                )
            if self._logger.settle(left):
                time.sleep(POLL_SECONDS)


class Acknowledgements:
    """The promise that ``EVENT_ACK`` makes, for each logger that events are logged to."""

    def __init__(self, ack: EventAck) -> None:
        self._stored = ack is EventAck.STORED
        self._made: WeakKeyDictionary[LoggerGroup, Acknowledgement] = WeakKeyDictionary()

    def of(self, logger: LoggerGroup) -> Acknowledgement:
        """Return what is promised of events that are logged to ``logger``."""
        made = self._made.get(logger)
        if made is None:
            made = Acknowledgement(logger.durable_members, stored=self._stored)
            self._made[logger] = made
        return made
