"""The composition root's part that joins the way of an event: to the sockets, and to the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from logger_lib import LoggerGroup
from logger_lib.flask import register_blueprint
from webapp.access.gate import Gate
from webapp.acknowledgement import Acknowledgement
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.idempotency import KEPT_SECONDS, IdempotentAnswers
from webapp.events.live import LiveEvents
from webapp.events.publisher import Publisher
from webapp.events.shared_answers import SharedAnswers
from webapp.events.views import make_events_blueprint
from webapp.names import LIVE_ROOMS
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.history import History
from webapp.realtime.keeping import KeepingFanOut
from webapp.realtime.rooms import RoomManager
from webapp.recovering import make_history
from webapp.settings import Settings

if TYPE_CHECKING:
    from webapp.hosts.joining import Hosts
    from webapp.hosts.live import LiveSockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What an event passes, and what is kept of it."""

    rooms: RoomManager
    history: History
    hosts: Hosts | None
    """The others, where there may be some."""
    local: KeepingFanOut
    """To the sockets of this host alone."""
    live: LiveSockets | RoomManager
    """The sockets that watch what happens, here and elsewhere."""
    publisher: Publisher
    answers: IdempotentAnswers
    logger: LoggerGroup
    """Of the events."""
    promise: Acknowledgement
    """What a 202 says of ``logger``."""


def make_publishing(app: Flask, settings: Settings, gate: Gate) -> Publishing:
    """Have ``app`` take events from who passes ``gate``."""
    rooms, history = RoomManager(Broadcasts()), make_history(settings)
    local, hosts = KeepingFanOut(rooms, history), _make_hosts(settings, rooms, history)
    live = hosts.live if hosts else rooms
    publisher = Publisher(hosts.fan_out if hosts else local, LiveEvents(live))
    answers, acknowledgements = _make_answers(settings), Acknowledgements(settings.event_ack)
    blueprint = make_events_blueprint(publisher, gate, answers, acknowledgements)
    logger = register_blueprint(app, blueprint, loggers=settings.event_loggers)
    return Publishing(
        rooms=rooms,
        history=history,
        hosts=hosts,
        local=local,
        live=live,
        publisher=publisher,
        answers=answers,
        logger=logger,
        promise=acknowledgements.of(logger),
    )


def _make_answers(settings: Settings) -> IdempotentAnswers:
    url = settings.redis_url
    return IdempotentAnswers(SharedAnswers(url, KEPT_SECONDS) if url else None)


def _make_hosts(settings: Settings, rooms: RoomManager, history: History) -> Hosts | None:
    if settings.redis_url is None:
        return None
    from webapp.hosts.joining import Hosts

    return Hosts(settings.redis_url, rooms, history, LIVE_ROOMS)
