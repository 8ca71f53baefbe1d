"""Events to the sockets of the only host, kept for clients that come back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from logger_lib import JsonObject
from webapp.events.event import Event
from webapp.events.fan_out import Delivered
from webapp.realtime.history import History
from webapp.realtime.kept import Kept


class _Sockets(Protocol):
    def is_sid(self, name: str) -> bool: ...

    def encode(self, event: str, data: JsonObject) -> str: ...

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]: ...

    def send(
        self,
        app_id: str,
        packet: str,
        offset: str,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]: ...


class KeepingFanOut:
    """Hands events to the sockets of this host, and keeps those that somebody may come back for.

    ``is_wanted`` says whether anybody may, for an event of this app.
    """

    def __init__(self, sockets: _Sockets, history: History) -> None:
        self._sockets = sockets
        self._history = history
        self.is_wanted: Callable[[str], bool] = lambda _: True

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a connected socket."""
        return self._sockets.is_sid(name)

    def hand_out(self, event: Event, event_id: str, at: datetime) -> Delivered:
        """Hand ``event`` to its sockets."""
        return Delivered(self._deliver(event, event_id, at))

    def _deliver(self, event: Event, event_id: str, at: datetime) -> tuple[str, ...]:
        if self.is_wanted(event.app_id):
            return self._keep_and_send(event, event_id, at)
        return self._sockets.deliver(
            event.app_id, event.name, event.data, rooms=event.rooms, excluded=event.excluded
        )

    def _keep_and_send(self, event: Event, event_id: str, at: datetime) -> tuple[str, ...]:
        packet = self._sockets.encode(event.name, event.data)
        count, _ = self._history.position
        # Nothing may wait in between, or who comes back then would get it twice, or never.
        offset = self._history.add(
            Kept(
                (count + 1, 0),
                event_id,
                event.app_id,
                event.name,
                at,
                event.rooms,
                event.excluded,
                packet,
            )
        )
        return self._sockets.send(
            event.app_id, packet, offset, rooms=event.rooms, excluded=event.excluded
        )
