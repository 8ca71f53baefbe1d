"""When a publish is answered, for each logger that events are logged to."""

from weakref import WeakKeyDictionary

from logger_lib import LoggerGroup
from webapp.acknowledgement import Acknowledgement, Refusing
from webapp.environment import EventAck

# The sockets have the events by the time that anything of this but the first is said.
REFUSING = Refusing(
    no_room="the log cannot take more just now: nothing was published, try again",
    lost=(
        "the event was sent, and its record may be lost: try again where it must not be"
        " missing from the log (sockets then get it twice)"
    ),
    late=(
        "the event was sent, and is not stored yet: send the same call again with the same"
        " Idempotency-Key to learn when it is; without one, sockets then get it twice"
    ),
)


class Acknowledgements:
    """The promise that ``EVENT_ACK`` makes, for each logger that events are logged to."""

    def __init__(self, ack: EventAck) -> None:
        self._stored = ack is EventAck.STORED
        self._made: WeakKeyDictionary[LoggerGroup, Acknowledgement] = WeakKeyDictionary()

    def of(self, logger: LoggerGroup) -> Acknowledgement:
        """Return what is promised of events that are logged to ``logger``."""
        made = self._made.get(logger)
        if made is None:
            made = Acknowledgement(logger.durable_members, REFUSING, stored=self._stored)
            self._made[logger] = made
        return made
