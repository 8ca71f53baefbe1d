"""The composition root's part that joins what clients connect to, here and on other hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from logger_lib import Logger
from webapp import capacity
from webapp.access.first_key import DEFAULT_APP
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals
from webapp.accessing import Access
from webapp.environment import SocketAuth
from webapp.origins import OriginCheck
from webapp.publishing import Publishing
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import SocketServer
from webapp.recovering import Recovering, make_recovering
from webapp.setting_values import POLLING
from webapp.settings import Settings

if TYPE_CHECKING:
    from webapp.hosts.joining import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """The server of the sockets, and what their clients may say and come back for."""

    sockets: SocketServer
    handlers: SocketHandlers
    recovering: Recovering
    joined: Joined | None
    """What hears the other hosts, where there may be some."""


def make_connecting(
    app: Flask,
    settings: Settings,
    access: Access,
    publishing: Publishing,
    *,
    logger: Logger,
    limits: RateLimits,
    refusals: Refusals,
) -> Connecting:
    """Have ``app`` take sockets; ``logger`` is that of the server."""
    rooms = publishing.rooms
    sockets, handlers = _make_sockets(
        app, settings, access, rooms, logger=logger, limits=limits, refusals=refusals
    )
    recovering = make_recovering(
        settings,
        publishing.history,
        rooms,
        sockets=sockets,
        handlers=handlers,
        logger=publishing.logger,
    )
    publishing.local.is_wanted = recovering.is_wanted
    return Connecting(
        sockets=sockets,
        handlers=handlers,
        recovering=recovering,
        joined=_join(publishing, recovering),
    )


def _make_sockets(
    app: Flask,
    settings: Settings,
    access: Access,
    rooms: RoomManager,
    *,
    logger: Logger,
    limits: RateLimits,
    refusals: Refusals,
) -> tuple[SocketServer, SocketHandlers]:
    sockets = SocketServer(
        app,
        rooms,
        max_connections=capacity.max_connections(settings.max_sockets),
        queue_bytes=settings.socket_queue_bytes,
        takes_polling=POLLING in settings.socket_transports,
        has_peers=settings.redis_url is not None,
        origin_allowed=OriginCheck(settings.cors_origins, settings.public_url),
        logger=logger,
    )
    sockets.engine.check_connect = limits.check_connect
    is_open = settings.socket_auth is SocketAuth.OPEN
    handlers = SocketHandlers(
        rooms,
        access.gate,
        access.room_tokens,
        logger,
        limits=limits,
        refusals=refusals,
        max_sockets=settings.max_sockets,
        open_app_id=access.keys.apps.ensure(DEFAULT_APP) if is_open else None,
    )
    handlers.register(sockets)
    return sockets, handlers


def _join(publishing: Publishing, recovering: Recovering) -> Joined | None:
    """Return what hears the other hosts; clients that come back to one are told to all."""
    hosts, recovery = publishing.hosts, recovering.recovery
    if hosts is None:
        return None
    if recovery is None:
        return hosts.join(publishing.logger, publishing.promise, lambda _sid: None)
    recovery.on_taken = hosts.took
    return hosts.join(publishing.logger, publishing.promise, recovery.taken)
