"""What is shown live, on all hosts: neither kept nor confirmed nor logged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from logger_lib import JsonObject
from webapp.hosts.entry import LiveEntry
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers
from webapp.realtime.history import History

MOST_WAITING = 100
"""How much that is shown live may wait for Redis; more is not shown on other hosts."""


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

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say whether a socket is in ``room`` here, or watches the app elsewhere."""
        return self._sockets.is_anybody_in(app_id, room) or self._peers.watches(app_id)

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
        if self._peers.watches(app_id) and self._outbox.notes < MOST_WAITING:
            entry = LiveEntry(host=self._host, app_id=app_id, rooms=tuple(rooms), packet=packet)
            self._outbox.say(entry, packet.encode())
        return self._show(app_id, packet, rooms, excluded)

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
