"""Handing an event to sockets, here or on all hosts."""

from datetime import datetime
from typing import NamedTuple, Protocol

from webapp.events.event import Event


class Elsewhere(NamedTuple):
    """Whom an event has reached on other hosts."""

    recipients: int = 0
    """How many sockets, as far as these hosts have said so."""
    unreached: tuple[str, ...] = ()
    """The hosts that have not said to how many they gave it."""


class HandedOut(Protocol):
    """An event that is on its way to its sockets."""

    def here(self) -> tuple[str, ...]:
        """Return the sids of the sockets here that were given it, when they were."""
        ...

    def elsewhere(self) -> Elsewhere:
        """Return when every host has said whom it gave it to, or its time for that is over."""
        ...


class FanOut(Protocol):
    """What the publisher needs of the sockets."""

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a socket that is connected here."""
        ...

    def hand_out(self, event: Event, event_id: str, at: datetime) -> HandedOut:
        """Begin to hand ``event`` to its sockets, behind all that were handed out before."""
        ...


class Delivered(NamedTuple):
    """An event that all of its sockets have got, as there is no other host."""

    sids: tuple[str, ...]

    def here(self) -> tuple[str, ...]:
        """Return the sids."""
        return self.sids

    def elsewhere(self) -> Elsewhere:
        """Return that nobody else has got it."""
        return _NOBODY


_NOBODY = Elsewhere()
