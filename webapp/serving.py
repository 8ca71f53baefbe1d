"""The composition root's part that joins what runs beside the calls until all ends in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from logger_lib import LoggerFactory, LoggerGroup
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals
from webapp.analytics.views import Analytics
from webapp.collecting import Collecting
from webapp.destinations import log_retention
from webapp.drain import Buffer, Drain
from webapp.end import End
from webapp.events.idempotency import IdempotentAnswers
from webapp.events.publisher import Publisher
from webapp.health.views import make_health_blueprint
from webapp.metrics.access import AccessFigures
from webapp.metrics.analytics import AnalyticsFigures
from webapp.metrics.buffers import LoggerFigures
from webapp.metrics.families import Part
from webapp.metrics.hosts import HostFigures
from webapp.metrics.loop_lag import LoopLag
from webapp.metrics.process import LoopFigures, ProcessFigures
from webapp.metrics.redis import RedisFigures
from webapp.metrics.scrape import Scrape
from webapp.metrics.sockets import SocketFigures
from webapp.metrics.views import make_metrics_blueprint
from webapp.presenting import Presenting
from webapp.realtime.expiry import ExpiryWatch
from webapp.realtime.parting import Parting
from webapp.realtime.revocation import RevocationWatch
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import SocketServer
from webapp.recovering import Recovering
from webapp.settings import Settings
from webapp.start import Start
from webapp.storage.database import Database
from webapp.users.views import SignIn
from webapp.worker import DRAIN, MEASURING

if TYPE_CHECKING:
    from webapp.hosts.joining import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All parts that run beside the calls, hold something which was taken, or are to be closed."""

    settings: Settings
    host: str
    """What this process is called, by other hosts too."""
    keys: ApiKeys
    gate: Gate
    sign_in: SignIn
    rooms: RoomManager
    parting: Parting
    factories: Mapping[str, LoggerFactory]
    events_logger: LoggerGroup
    server_logger: LoggerGroup
    answers: IdempotentAnswers
    publisher: Publisher
    limits: RateLimits
    refusals: Refusals
    clients: Sequence[Callable[[], None]]
    """What closes the connections of the log's destinations."""
    analytics: Analytics
    database: Database
    collecting: Collecting
    recovering: Recovering
    presenting: Presenting
    joined: Joined | None

    def add_to(self, app: Flask, sockets: SocketServer) -> None:
        """Have ``app`` begin and end in order, and tell whether it is well."""
        lag = LoopLag()
        parts = self._parts(sockets, lag)
        app.extensions[MEASURING] = scrape = Scrape(parts)
        start = self._start([*self._background(), lag.run, scrape.run])
        end = End(self._steps(start))
        drain = Drain(sockets, self._buffers(), on_serving=start, on_end=end)
        app.extensions[DRAIN] = drain
        ready = {"database": self.database.ping, "drain": drain.check}
        if self.joined is not None:
            ready |= self.joined.ready
        app.register_blueprint(make_health_blueprint(ready, parts))
        metrics_token, check_guess = self.settings.metrics_token, self.limits.check_key
        app.register_blueprint(make_metrics_blueprint(scrape, metrics_token, check_guess))

    def _start(self, background: Sequence[Callable[[], None]]) -> Start:
        links = self.sign_in.links
        return Start(
            self.settings,
            self.keys,
            self.gate,
            self.factories.values(),
            background=background,
            login_link=links.make if self.sign_in.issuer is None else None,
        )

    def _background(self) -> Sequence[Callable[[], None]]:
        """Return what runs in green threads of its own."""
        return [
            RevocationWatch(self.parting, self.gate.revoked_among, self.server_logger).run,
            ExpiryWatch(self.parting, self.server_logger).run,
            *log_retention(self.settings, self.factories.values()),
            *self.collecting.background,
            *(self.joined.background if self.joined else []),
            *self.recovering.background,
            *self.presenting.background,
        ]

    def _buffers(self) -> Sequence[Buffer]:
        """Return what is flushed, in an order in which nothing comes into what has been."""
        loggers = LoggerGroup({"events": self.events_logger, "server": self.server_logger})
        line: list[Buffer] = [] if self.joined is None else [self.joined]
        return [self.collecting.collector, *self.recovering.buffers, loggers, *line]

    def _steps(self, start: Start) -> Mapping[str, Callable[[], None]]:
        closing = {
            f"closing the logger {name}": made.close for name, made in self.factories.items()
        }
        return {
            "recording when keys were last used": start.record_use,
            **closing,
            "closing the shared answers": self.answers.close,
            "closing the rate limits": self.limits.windows.close,
            **self.collecting.on_end,
            **{f"closing client {number}": close for number, close in enumerate(self.clients, 1)},
            "closing the analytics": self.analytics.close,
            "closing the database": self.database.close,
        }

    def _parts(self, sockets: SocketServer, lag: LoopLag) -> dict[str, Part]:
        """Return all of which is told how it is, as ``/health/ready`` names it."""
        parts: dict[str, Part] = {
            "process": ProcessFigures(self.host),
            "loop": LoopFigures(lag),
            "sockets": SocketFigures(
                self.rooms,
                sockets.engine,
                self.parting,
                self.publisher,
                self.answers,
                max_sockets=self.settings.max_sockets,
            ),
            "loggers": LoggerFigures(
                self.factories, lambda: self.events_logger.failed + self.server_logger.failed
            ),
            "collect": self.collecting.figures,
            "analytics": AnalyticsFigures(self.analytics.analyst.cache),
            "access": AccessFigures(self.gate, self.limits, self.refusals),
            "presence": self.presenting.figures,
        }
        if self.recovering.figures is not None:
            parts["recovery"] = self.recovering.figures
        if self.joined is not None:
            parts["hosts"] = HostFigures(self.joined.link)
            parts["redis"] = RedisFigures(self.joined.link, self._redis_failures())
        return parts

    def _redis_failures(self) -> Mapping[str, Callable[[], int]]:
        sessions = self.recovering.shared
        return {
            "rate_limits": lambda: self.limits.windows.failures,
            "idempotency": lambda: self.answers.failures,
            "analytics": lambda: self.analytics.analyst.cache.failures,
            "sessions": lambda: sessions.failures if sessions else 0,
        }
