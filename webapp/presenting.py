"""The composition root's part that joins what tells who is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from webapp.access.gate import Gate
from webapp.metrics.presence import PresenceFigures, SharedPresenceFigures
from webapp.presence.census import Census
from webapp.presence.elsewhere import WatchedElsewhere
from webapp.presence.views import make_presence_blueprint
from webapp.presence.watching import Watching
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.rooms import RoomManager

if TYPE_CHECKING:
    from webapp.hosts.joining import Hosts


@dataclass(frozen=True, slots=True)
class Presenting:
    """What runs in green threads of its own, and what is told of it."""

    background: Sequence[Callable[[], None]]
    figures: PresenceFigures


def make_presenting(
    app: Flask,
    rooms: RoomManager,
    gate: Gate,
    handlers: SocketHandlers,
    *,
    host: str,
    hosts: Hosts | None,
) -> Presenting:
    """Have ``app`` tell who is there, on ``host`` and all others."""
    watching = Watching(host, rooms)
    handlers.check_watch = watching.check
    census = Census(host, rooms, hosts.asking if hosts else None)
    app.register_blueprint(make_presence_blueprint(census, gate))

    if hosts is None:
        return Presenting([], PresenceFigures(watching, census))
    elsewhere = WatchedElsewhere(watching, hosts.asking)
    asking = hosts.asking
    asking.answer = census.answer
    asking.hear = elsewhere.hear
    figures = SharedPresenceFigures(watching, census, asking, elsewhere)
    return Presenting([elsewhere.run], figures)
