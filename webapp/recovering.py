"""The part of the composition root that joins what clients come back by for what they missed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from logger_lib import JsonObject, Logger
from webapp.drain import Buffer
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.history import History
from webapp.realtime.recovered_deliveries import RecoveredDeliveries
from webapp.realtime.recovery import Recovery
from webapp.realtime.redis_sessions import RedisSessions
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import PING_INTERVAL, PING_TIMEOUT, SocketServer
from webapp.realtime.session_watch import LOOKS_A_LIFE, SessionWatch
from webapp.realtime.sessions import MemorySessions, SessionStore
from webapp.settings import Settings

NOTICED_SECONDS = float(PING_INTERVAL + PING_TIMEOUT)
"""How long a client and its host may each be gone before the other one notices."""


@dataclass(frozen=True, slots=True)
class Recovering:
    """Recovery, where it is switched on; what is written before the end, what runs beside it."""

    is_wanted: Callable[[str], bool] = lambda _: False
    """Says whether anybody may come back for an event of this app."""

    recovery: Recovery | None = None
    buffers: Sequence[Buffer] = ()
    background: Sequence[Callable[[], None]] = ()
    told: Mapping[str, Callable[[], JsonObject]] = field(default_factory=dict)
    """What is told beside whether Herald is ready."""


def make_history(settings: Settings) -> History:
    """Return what this host keeps for clients that come back: nothing where none can."""
    return History(secrets.token_hex(4), secrets.token_hex(8), _history_seconds(settings))


def _history_seconds(settings: Settings) -> float:
    """Return how long ago what a client that comes back has missed may have been published."""
    if not settings.recovery_seconds:
        return 0.0
    # What a client had got when it went it may have confirmed as long before as that was noticed.
    seconds = settings.recovery_seconds + 2 * NOTICED_SECONDS
    return seconds + _held_anew_after(settings) if settings.redis_url else seconds


def _held_anew_after(settings: Settings) -> float:
    """Return how old what is known of a socket's session may be when its host dies."""
    return settings.recovery_seconds / LOOKS_A_LIFE


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
    sessions: SessionStore = MemorySessions(settings.recovery_seconds)
    if settings.redis_url:
        sessions = shared = RedisSessions(
            settings.redis_url,
            settings.recovery_seconds,
            held_seconds=settings.recovery_seconds + _held_anew_after(settings) + NOTICED_SECONDS,
        )
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
    watch = SessionWatch(recovery.hold_all, sockets.failures, settings.recovery_seconds)
    return Recovering(
        recovery.is_wanted,
        recovery,
        [*buffers, deliveries],
        [watch.run] if sessions.outlives else [],
        {"recovery": recovery.seen},
    )
