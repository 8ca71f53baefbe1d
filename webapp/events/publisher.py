"""The one way in for an event, whatever transport brought it."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Protocol

from logger_lib import JsonObject, Logger, delivery_record, event_record, uuid7
from webapp.errors import ValidationFailed
from webapp.events.event import Event, Receipt


class FanOut(Protocol):
    """What the publisher needs of the sockets."""

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a connected socket."""

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand the event to the sockets and return their sids."""


class Publisher:
    """Hands events to the sockets first and to the log second."""

    def __init__(self, sockets: FanOut) -> None:
        self._sockets = sockets

    def publish(self, event: Event, logger: Logger) -> Receipt:
        """Deliver and log ``event``.

        Raises ``ValidationFailed`` where a room is the id of a socket: rooms are the app's own
        names, and a sid that leaks must not become an address.
        """
        self._refuse_sids(event.rooms)
        event_id, now = uuid7(), datetime.now(UTC)
        recipients = self._sockets.deliver(
            event.app_id, event.name, event.data, rooms=event.rooms, excluded=event.excluded
        )
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
        if recipients:
            logger.log(
                delivery_record(
                    event.name,
                    recipients,
                    event_id=event_id,
                    time=now,
                    app=event.app_id,
                    rooms=event.rooms,
                )
            )
        return Receipt(event_id, event, len(recipients))

    def _refuse_sids(self, rooms: tuple[str, ...]) -> None:
        for room in rooms:
            if self._sockets.is_sid(room):
                raise ValidationFailed(
                    "a socket's id is not a room: have the socket join one, and name that",
                    {"room": [f"{room} is the id of a socket."]},
                )
