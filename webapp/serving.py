"""The composition root's part that joins what runs beside the calls until all ends in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from logger_lib import JsonObject, LoggerFactory, LoggerGroup
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.rate_limits import RateLimits
from webapp.analytics.views import Analytics
from webapp.collecting import Collecting
from webapp.destinations import log_retention
from webapp.drain import Buffer, Drain
from webapp.end import End
from webapp.events.idempotency import IdempotentAnswers
from webapp.health.views import make_health_blueprint
from webapp.presenting import Presenting
from webapp.realtime.expiry import ExpiryWatch
from webapp.realtime.parting import Parting
from webapp.realtime.revocation import RevocationWatch
from webapp.realtime.server import SocketServer
from webapp.recovering import Recovering
from webapp.settings import Settings
from webapp.start import Start
from webapp.storage.database import Database
from webapp.users.views import SignIn
from webapp.worker import DRAIN

if TYPE_CHECKING:
    from webapp.hosts.joining import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All parts that run beside the calls, hold something which was taken, or are to be closed."""

    settings: Settings
    keys: ApiKeys
    gate: Gate
    sign_in: SignIn
    parting: Parting
    factories: Mapping[str, LoggerFactory]
    events_logger: LoggerGroup
    server_logger: LoggerGroup
    answers: IdempotentAnswers
    limits: RateLimits
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
        start = self._start()
        end = End(self._steps(start))
        drain = Drain(sockets, self._buffers(), on_serving=start, on_end=end)
        app.extensions[DRAIN] = drain
        ready = {"database": self.database.ping, "drain": drain.check}
        if self.joined is not None:
            ready |= self.joined.ready
        app.register_blueprint(make_health_blueprint(ready, self._told()))

    def _start(self) -> Start:
        links = self.sign_in.links
        return Start(
            self.settings,
            self.keys,
            self.gate,
            self.factories.values(),
            background=self._background(),
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

    def _told(self) -> Mapping[str, Callable[[], JsonObject]]:
        hosts = {} if self.joined is None else self.joined.told
        return {**self.collecting.told, **self.recovering.told, **self.presenting.told, **hosts}
