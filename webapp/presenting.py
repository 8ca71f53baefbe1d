"""The composition root's part that joins what tells who is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from logger_lib import JsonObject
from webapp.access.gate import Gate
from webapp.audit import AuditTrail
from webapp.metrics.presence import PresenceFigures, SharedPresenceFigures
from webapp.presence.census import Census
from webapp.presence.elsewhere import WatchedElsewhere
from webapp.presence.ending import Ending
from webapp.presence.views import make_presence_blueprint
from webapp.presence.watching import Watching
from webapp.publishing import Publishing
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.parting import Parting

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Presenting:
    """What runs in green threads of its own, and what is told of it."""

    background: Sequence[Callable[[], None]]
    figures: PresenceFigures


def make_presenting(
    app: Flask,
    gate: Gate,
    publishing: Publishing,
    handlers: SocketHandlers,
    parting: Parting,
    *,
    audit: AuditTrail,
) -> Presenting:
    """Have ``app`` tell who is there, on this host and all others, and end sockets there."""
    rooms, hosts, host = publishing.rooms, publishing.hosts, publishing.history.host
    watching = Watching(host, rooms)
    handlers.check_watch = watching.check
    others = hosts.asking if hosts else None
    census, ending = Census(host, rooms, others), Ending(parting, others)
    app.register_blueprint(make_presence_blueprint(census, ending, gate, audit))

    if hosts is None:
        return Presenting([], PresenceFigures(watching, census))
    elsewhere = WatchedElsewhere(watching, hosts.asking)
    asking = hosts.asking

    def answer(question: JsonObject) -> JsonObject:
        asked = ending.answer if ending.is_asked(question) else census.answer
        return asked(question)

    asking.answer = answer
    asking.hear = elsewhere.hear
    figures = SharedPresenceFigures(watching, census, asking, elsewhere)
    return Presenting([elsewhere.run], figures)
