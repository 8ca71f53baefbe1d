"""An event as it goes through Herald, and what its publisher is told."""

from dataclasses import dataclass

from logger_lib import JsonObject


@dataclass(frozen=True, slots=True)
class Event:
    """What a service publishes. No rooms: to every socket of the app."""

    app_id: str
    name: str
    data: JsonObject
    rooms: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    """The sids that do not get it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a published event."""

    event_id: str
    event: Event
    recipients: int
    """How many sockets the event was handed to, as far as the hosts have said so."""

    unreached: tuple[str, ...] = ()
    """The hosts that had not."""

    def to_wire(self) -> JsonObject:
        """Return the body of the 202."""
        told: JsonObject = {
            "id": self.event_id,
            "event": self.event.name,
            "rooms": list(self.event.rooms),
            "recipients": self.recipients,
        }
        if self.unreached:
            told["unreached"] = list(self.unreached)
        return told
