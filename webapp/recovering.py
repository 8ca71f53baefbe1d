"""The part of the composition root that joins what clients come back by for what they missed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logger_lib import Logger
from webapp.drain import Buffer
from webapp.metrics.recovery import RecoveryFigures
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.history import History
from webapp.realtime.recovered_deliveries import RecoveredDeliveries
from webapp.realtime.recovery import Recovery
from webapp.realtime.redis_sessions import RedisSessions
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import PING_INTERVAL, PING_TIMEOUT, SocketServer
from webapp.realtime.session_watch import SessionWatch
from webapp.realtime.sessions import MemorySessions, SessionStore
from webapp.settings import Settings

HISTORY_MARGIN = 2.0 * (PING_INTERVAL + PING_TIMEOUT)
"""Seconds: before its end is noticed a client may be gone for as long as that takes, and what it
had got by then it may have confirmed as long before."""


@dataclass(frozen=True, slots=True)
class Recovering:
    """Recovery, where it is switched on; what is written before the end, what runs beside it."""

    is_wanted: Callable[[str], bool] = lambda _: False
    """Says whether anybody may come back for an event of this app."""

    recovery: Recovery | None = None
    buffers: Sequence[Buffer] = ()
    background: Sequence[Callable[[], None]] = ()
    figures: RecoveryFigures | None = None
    shared: RedisSessions | None = None
    """Where sessions are kept for all hosts, if there are several."""


def make_history(settings: Settings) -> History:
    """Return what this host keeps for clients that come back: nothing where none can."""
    seconds = settings.recovery_seconds
    return History(
        secrets.token_hex(4), secrets.token_hex(8), seconds + HISTORY_MARGIN if seconds else 0.0
    )


def make_recovering(
    settings: Settings,
    history: History,
    rooms: RoomManager,
    *,
    sockets: SocketServer,
    handlers: SocketHandlers,
    logger: Logger,
) -> Recovering:
    """Have clients come back; ``logger`` is that of the events."""
    if not settings.recovery_seconds:
        return Recovering()
    buffers: list[Buffer] = []
    shared: RedisSessions | None = None
    sessions: SessionStore = MemorySessions(settings.recovery_seconds)
    if settings.redis_url:
        sessions = shared = RedisSessions(settings.redis_url, settings.recovery_seconds)
        buffers.append(shared)
    deliveries = RecoveredDeliveries(logger)
    recovery = Recovery(
        rooms,
        history,
        sessions,
        deliveries,
        seconds=settings.recovery_seconds,
        may_join=handlers.may_join,
    )
    handlers.is_back = recovery.is_here
    sockets.let_in_by(recovery.let_in)
    watch = SessionWatch(recovery.keep_all, sockets.failures, settings.recovery_seconds)
    return Recovering(
        recovery.is_wanted,
        recovery,
        [*buffers, deliveries],
        [watch.run] if sessions.outlives else [],
        RecoveryFigures(recovery),
        shared,
    )
