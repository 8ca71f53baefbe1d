"""Handing an event to sockets, here or on all hosts."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from webapp import call_budget
from webapp.events.event import Event

WAIT_SECONDS = 0.25
"""How long a call waits for the sockets of all hosts: one event, or a batch, in all."""


class Patience:
    """How long a call may still wait for all hosts, with all its events together.

    No longer than what is left of its budget, on which it is.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = min(WAIT_SECONDS, call_budget.seconds_left())

    def spend(self, wait: Callable[[float], None], *, free: float = 0.0) -> None:
        """Call ``wait`` with the time when it has to return, in monotonic seconds.

        It costs nothing where it takes no longer than ``free`` seconds.
        """
        if self._left > 0.0:
            began = time.monotonic()
            wait(began + self._left)
            took = time.monotonic() - began
            if took > free:
                self._left -= took
                call_budget.spend(took)


class Elsewhere(NamedTuple):
    """Whom an event has reached on other hosts."""

    recipients: int = 0
    """How many sockets, as far as these hosts have said so."""
    unreached: tuple[str, ...] = ()
    """The hosts that have not said to how many they gave it."""


class HandedOut(Protocol):
    """An event that is on its way to its sockets."""

    @property
    def is_given(self) -> bool:
        """Whether the sockets here have it."""
        ...

    def here(self, patience: Patience) -> tuple[str, ...]:
        """Return the sids of the sockets here that were given it, once; when they were."""
        ...

    def elsewhere(self, patience: Patience) -> Elsewhere:
        """Return when every host has said whom it gave it to, or ``patience`` is at its end."""
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

    @property
    def is_given(self) -> bool:
        """Whether they have: always."""
        return True

    def here(self, patience: Patience) -> tuple[str, ...]:
        """Return the sids."""
        del patience
        return self.sids

    def elsewhere(self, patience: Patience) -> Elsewhere:
        """Return that nobody else has got it."""
        del patience
        return _NOBODY


_NOBODY = Elsewhere()
