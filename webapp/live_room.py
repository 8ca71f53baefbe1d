"""What happens in an app as it happens, for its sockets that are in a room of Herald's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from logger_lib import JsonObject

MAX_APPS = 10_000
"""How many apps are watched at a time; the one that was first counts anew where there are more."""

LEFT_OUT = "leftOut"
"""The key under which what is shown says how much was not shown before it."""

Seen = TypeVar("Seen")


class Sockets(Protocol):
    """What is needed of the sockets."""

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say whether a socket is in ``room`` of this app."""

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand an event to the sockets in ``rooms`` and return their sids."""


@dataclass(slots=True)
class _Second:
    """What was shown of an app in the second that began then, and left out since the last shown."""

    began_at: float
    shown: int = 0
    left_out: int = 0


class LiveRoom:
    """Shows things to who is in ``room``, as the event ``event``, here and on other hosts.

    Of an app at most ``most`` a second: the next one shown says how many were left out.
    """

    def __init__(
        self,
        sockets: Sockets,
        room: str,
        event: str,
        most: int,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._room = room
        self._event = event
        self._most = most
        self._timer = timer
        self._seconds: dict[str, _Second] = {}

    def is_watched(self, app_id: str) -> bool:
        """Say whether anybody watches an app. A look is all that it costs where nobody does."""
        if self._sockets.is_anybody_in(app_id, self._room):
            return True
        if self._seconds:
            self._seconds.pop(app_id, None)
        return False

    def show(
        self, app_id: str, seen: Sequence[Seen], to_wire: Callable[[Seen], JsonObject]
    ) -> None:
        """Show as many of ``seen`` as the second has room for, if anybody watches."""
        if not self.is_watched(app_id):
            return
        second = self._second_of(app_id)
        room = max(0, self._most - second.shown)
        for each in seen[:room]:
            data = to_wire(each) | {LEFT_OUT: second.left_out}
            second.shown += 1
            second.left_out = 0
            # Others may have their turn in here.
            self._sockets.deliver(app_id, self._event, data, rooms=(self._room,), excluded=())
        second.left_out += max(0, len(seen) - room)

    def _second_of(self, app_id: str) -> _Second:
        now = self._timer()
        second = self._seconds.get(app_id)
        if second is None:
            second = self._seconds[app_id] = _Second(now)
            if len(self._seconds) > MAX_APPS:
                del self._seconds[next(iter(self._seconds))]
        elif now - second.began_at >= 1.0:
            second.began_at, second.shown = now, 0
        return second
