"""The one way in for an event, whatever transport brought it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from logger_lib import Logger, delivery_record, event_record, uuid7
from webapp.errors import ValidationFailed
from webapp.events.event import Event, Receipt
from webapp.events.fan_out import FanOut, HandedOut, Patience
from webapp.events.live import LiveEvents


@dataclass(slots=True)
class Publishing:
    """An event that is on its way to the sockets; its record is with the log already."""

    event: Event
    event_id: str
    at: datetime
    handed_out: HandedOut
    logger: Logger
    live: LiveEvents
    here: int | None = None
    """How many sockets of this host have got it, once that is logged."""

    @property
    def is_given(self) -> bool:
        """Whether the sockets of this host have got it."""
        return self.handed_out.is_given

    def deliver(self, patience: Patience) -> int:
        """Return how many sockets of this host have got it, when they have, and log that."""
        if self.here is None:
            sids = self.handed_out.here(patience)
            self.here = len(sids)
            if sids:
                self._log(sids)
        return self.here

    def receipt(self, patience: Patience) -> Receipt:
        """Return whom it has reached, when other hosts have said so or at ``patience``'s end.

        Then it is shown to who watches the app's events.
        """
        here = self.deliver(patience)
        recipients, unreached = self.handed_out.elsewhere(patience)
        receipt = Receipt(self.event_id, self.event, here + recipients, unreached)
        self.live.show(receipt, self.at)
        return receipt

    def _log(self, sids: tuple[str, ...]) -> None:
        self.logger.log(
            delivery_record(
                self.event.name,
                sids,
                event_id=self.event_id,
                time=self.at,
                app=self.event.app_id,
                rooms=self.event.rooms,
            )
        )


class Publisher:
    """Hands events to the sockets, to the log, and to who watches them."""

    def __init__(self, sockets: FanOut, live: LiveEvents) -> None:
        self._sockets = sockets
        self._live = live
        self.published = 0
        """How many events were taken here."""

    def publish(self, event: Event, logger: Logger) -> Receipt:
        """Deliver and log ``event``.

        Raises ``ValidationFailed`` where a room is the id of a socket: rooms are the app's own
        names, and a sid that leaks must not become an address.
        """
        return self.begin(event, logger).receipt(Patience())

    def begin(self, event: Event, logger: Logger) -> Publishing:
        """Have ``event`` delivered behind all that were begun before, and log it.

        What waits for other hosts is the receipt, so that many events can wait together.
        """
        self._refuse_sids(event.rooms)
        event_id, now = uuid7(), datetime.now(UTC)
        handed_out = self._sockets.hand_out(event, event_id, now)
        self.published += 1
        logger.log(
            event_record(
                event.name,
                event.data,
                event_id=event_id,
                time=now,
                app=event.app_id,
                rooms=event.rooms,
            )
        )
        return Publishing(event, event_id, now, handed_out, logger, self._live)

    def _refuse_sids(self, rooms: tuple[str, ...]) -> None:
        for room in rooms:
            if self._sockets.is_sid(room):
                raise ValidationFailed(
                    "a socket's id is not a room: have the socket join one, and name that",
                    {"room": [f"{room} is the id of a socket."]},
                )
