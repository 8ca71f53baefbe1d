"""The composition root's part that joins what tells who is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flask import Flask

from webapp.access.gate import Gate
from webapp.presence.census import Census
from webapp.presence.elsewhere import WatchedElsewhere
from webapp.presence.views import make_presence_blueprint
from webapp.presence.watching import Watching
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.rooms import RoomManager

if TYPE_CHECKING:
    from webapp.hosts.joining import Hosts


def add_presence(
    app: Flask,
    rooms: RoomManager,
    gate: Gate,
    handlers: SocketHandlers,
    *,
    host: str,
    hosts: Hosts | None,
) -> Sequence[Callable[[], None]]:
    """Have ``app`` tell who is there, on ``host`` and all others.

    Returns what runs in green threads of its own.
    """
    watching = Watching(host, rooms)
    handlers.check_watch = watching.check
    census = Census(host, rooms, hosts.asking if hosts else None)
    app.register_blueprint(make_presence_blueprint(census, gate))
    if hosts is None:
        return []
    elsewhere = WatchedElsewhere(watching, hosts.asking)
    hosts.asking.answer = census.answer
    hosts.asking.hear = elsewhere.hear
    return [elsewhere.run]
