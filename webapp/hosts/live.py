"""What is shown live, on all hosts: neither kept nor confirmed nor logged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from logger_lib import JsonObject
from webapp.hosts.entry import LiveEntry
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers
from webapp.live_room import LEFT_OUT, MAX_APPS
from webapp.realtime.history import History

MOST_WAITING = 100
MOST_BYTES_WAITING = 1_048_576
"""How much that is shown live may wait for Redis; more is not shown on other hosts, and counted in
what they are shown next."""


class _Sockets(Protocol):
    def is_anybody_in(self, app_id: str, room: str) -> bool: ...

    def encode(self, event: str, data: JsonObject) -> str: ...

    def send(
        self,
        app_id: str,
        packet: str,
        offset: str,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]: ...


class LiveSockets:
    """The sockets of all hosts, for what is of use only now."""

    def __init__(
        self, host: str, sockets: _Sockets, history: History, outbox: Outbox, peers: Peers
    ) -> None:
        self._host = host
        self._sockets = sockets
        self._history = history
        self._outbox = outbox
        self._peers = peers
        self._unsaid: dict[tuple[str, str], int] = {}

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say whether a socket is in ``room`` here, or elsewhere."""
        return self._sockets.is_anybody_in(app_id, room) or self._peers.watches(app_id, room)

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand an event to the sockets in ``rooms``; return the sids of those here."""
        packet = self._sockets.encode(event, data)
        for room in rooms:
            if self._peers.watches(app_id, room):
                self._say(app_id, room, event, data)
        return self._show(app_id, packet, rooms, excluded)

    def _say(self, app_id: str, room: str, event: str, data: JsonObject) -> None:
        """Have other hosts show it, or the next one say that this was left out there."""
        before, left_out = self._unsaid.pop((app_id, room), 0), data.get(LEFT_OUT)
        missed = before + (left_out if isinstance(left_out, int) else 0)
        if self._outbox.notes >= MOST_WAITING or self._outbox.note_bytes >= MOST_BYTES_WAITING:
            self._unsaid[app_id, room] = missed + 1
            if len(self._unsaid) > MAX_APPS:
                del self._unsaid[next(iter(self._unsaid))]
            return
        packet = self._sockets.encode(event, data | {LEFT_OUT: missed})
        entry = LiveEntry(host=self._host, app_id=app_id, rooms=(room,), packet=packet)
        self._outbox.say(entry, packet.encode())

    def heard(self, entry: LiveEntry) -> None:
        """Hand what another host shows to the sockets here."""
        self._show(entry.app_id, entry.packet, entry.rooms, ())

    def _show(
        self, app_id: str, packet: str, rooms: Sequence[str], excluded: Collection[str]
    ) -> tuple[str, ...]:
        # Who gets it has got all events until now.
        return self._sockets.send(
            app_id, packet, self._history.head, rooms=rooms, excluded=excluded
        )
