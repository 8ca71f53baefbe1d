"""The composition root's part that joins what runs beside the calls until all ends in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import Flask

from logger_lib import LoggerFactory, LoggerGroup
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals
from webapp.accessing import Access
from webapp.analytics.views import Analytics
from webapp.collecting import Collecting
from webapp.connecting import Connecting
from webapp.destinations import log_retention
from webapp.drain import Buffer, Drain
from webapp.end import End
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
from webapp.publishing import Publishing
from webapp.realtime.expiry import ExpiryWatch
from webapp.realtime.parting import Parting
from webapp.realtime.revocation import RevocationWatch
from webapp.settings import Settings
from webapp.start import Start
from webapp.users.views import SignIn
from webapp.worker import DRAIN, MEASURING


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All parts that run beside the calls, hold something which was taken, or are to be closed."""

    settings: Settings
    access: Access
    sign_in: SignIn
    limits: RateLimits
    refusals: Refusals
    factories: Mapping[str, LoggerFactory]
    server_logger: LoggerGroup
    clients: Sequence[Callable[[], None]]
    """What closes the connections of the log's destinations."""
    publishing: Publishing
    connecting: Connecting
    parting: Parting
    presenting: Presenting
    analytics: Analytics
    collecting: Collecting

    def add_to(self, app: Flask) -> None:
        """Have ``app`` begin and end in order, and tell whether it is well."""
        lag, joined = LoopLag(), self.connecting.joined
        parts = self._parts(lag)
        app.extensions[MEASURING] = scrape = Scrape(parts)
        start = self._start([*self._background(), lag.run, scrape.run])
        end = End(self._steps(start))
        drain = Drain(self.connecting.sockets, self._buffers(), on_serving=start, on_end=end)
        app.extensions[DRAIN] = drain
        ready = {"database": self.access.database.ping, "drain": drain.check}
        if joined is not None:
            ready |= joined.ready
        app.register_blueprint(make_health_blueprint(ready, parts))
        metrics_token, check_guess = self.settings.metrics_token, self.limits.check_key
        app.register_blueprint(make_metrics_blueprint(scrape, metrics_token, check_guess))

    def _start(self, background: Sequence[Callable[[], None]]) -> Start:
        links = self.sign_in.links
        return Start(
            self.settings,
            self.access.keys,
            self.access.gate,
            self.factories.values(),
            background=background,
            login_link=links.make if self.sign_in.issuer is None else None,
        )

    def _background(self) -> Sequence[Callable[[], None]]:
        """Return what runs in green threads of its own."""
        joined, gate = self.connecting.joined, self.access.gate
        return [
            RevocationWatch(self.parting, gate.revoked_among, self.server_logger).run,
            ExpiryWatch(self.parting, self.server_logger).run,
            *log_retention(self.settings, self.factories.values()),
            *self.collecting.background,
            *(joined.background if joined else []),
            *self.connecting.recovering.background,
            *self.presenting.background,
        ]

    def _buffers(self) -> Sequence[Buffer]:
        """Return what is flushed, in an order in which nothing comes into what has been."""
        loggers = LoggerGroup({"events": self.publishing.logger, "server": self.server_logger})
        joined, recovering = self.connecting.joined, self.connecting.recovering
        line: list[Buffer] = [] if joined is None else [joined]
        return [self.collecting.collector, *recovering.buffers, loggers, *line]

    def _steps(self, start: Start) -> Mapping[str, Callable[[], None]]:
        closing = {
            f"closing the logger {name}": made.close for name, made in self.factories.items()
        }
        return {
            "recording when keys were last used": start.record_use,
            **closing,
            "closing the shared answers": self.publishing.answers.close,
            "closing the rate limits": self.limits.windows.close,
            **self.collecting.on_end,
            **{f"closing client {number}": close for number, close in enumerate(self.clients, 1)},
            "closing the analytics": self.analytics.close,
            "closing the database": self.access.database.close,
        }

    def _parts(self, lag: LoopLag) -> dict[str, Part]:
        """Return all of which is told how it is, as ``/health/ready`` names it."""
        publishing, connecting = self.publishing, self.connecting
        parts: dict[str, Part] = {
            "process": ProcessFigures(publishing.history.host),
            "loop": LoopFigures(lag),
            "sockets": SocketFigures(
                publishing.rooms,
                connecting.sockets.engine,
                self.parting,
                publishing.publisher,
                publishing.answers,
                max_sockets=self.settings.max_sockets,
            ),
            "loggers": LoggerFigures(
                self.factories, lambda: publishing.logger.failed + self.server_logger.failed
            ),
            "collect": self.collecting.figures,
            "analytics": AnalyticsFigures(self.analytics.analyst.cache),
            "access": AccessFigures(self.access.gate, self.limits, self.refusals),
            "presence": self.presenting.figures,
        }
        if connecting.recovering.figures is not None:
            parts["recovery"] = connecting.recovering.figures
        if connecting.joined is not None:
            link = connecting.joined.link
            parts["hosts"] = HostFigures(link)
            parts["redis"] = RedisFigures(link, self._redis_failures(), self._passed_over())
        return parts

    def _redis_failures(self) -> Mapping[str, Callable[[], int]]:
        sessions = self.connecting.recovering.shared
        return {
            "rate_limits": lambda: self.limits.windows.failures,
            "idempotency": lambda: self.publishing.answers.failures,
            "analytics": lambda: self.analytics.analyst.cache.failures,
            "sessions": lambda: sessions.failures if sessions else 0,
        }

    def _passed_over(self) -> Mapping[str, Callable[[], int]]:
        return {
            "rate_limits": lambda: self.limits.windows.passed_over,
            "idempotency": lambda: self.publishing.answers.passed_over,
        }
