"""The composition root: the one place that names concrete classes and joins them.

What only some settings need is imported where they ask for it, so that a start is quick.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from logger_lib import LoggerFactory, LoggerGroup
from logger_lib.flask import init_app
from webapp.access.cli import make_keys_cli
from webapp.access.proxies import TrustedProxies
from webapp.access.rate_limits import Kind, RateLimits
from webapp.access.refusals import Refusals
from webapp.access.token_views import make_tokens_blueprint
from webapp.accessing import Access, make_access, make_limits, make_sign_in
from webapp.analytics.analyst import Analyst
from webapp.analytics.cache import AnswerCache
from webapp.analytics.cli import make_analytics_cli
from webapp.analytics.erasing import UserErasing
from webapp.analytics.views import Analytics, make_analytics_blueprint
from webapp.api_docs.views import make_api_docs_blueprint
from webapp.audit import AuditTrail
from webapp.call_budget import CallBudget
from webapp.collect.calls import PATHS as COLLECT_PATHS
from webapp.collect.cli import make_apps_cli
from webapp.collect.deletion.erasure import Erasure
from webapp.collect.deletion.set_aside import HitsSetAside
from webapp.collect.live import LiveHits
from webapp.collect.query_key import QueryKey, is_from_query
from webapp.collecting import Collecting, make_collecting
from webapp.connecting import make_connecting
from webapp.destinations import first_reader, make_factories, spool_place
from webapp.errors import Unavailable
from webapp.events.cli import make_events_cli
from webapp.events.cursor import Cursors
from webapp.events.event_log import EventLog
from webapp.events.reading import make_reading_blueprint
from webapp.events.short_way import PATH as PUBLISH_PATH
from webapp.events.short_way import PublishShortWay
from webapp.http_errors import register_error_handlers
from webapp.json_body import MAX_BODY_BYTES
from webapp.offload import make_offload
from webapp.origins import Cors, OriginCheck
from webapp.owning import add_owners_views
from webapp.presenting import make_presenting
from webapp.publishing import Publishing, make_publishing
from webapp.realtime.parting import Parting
from webapp.security_headers import SecurityHeaders
from webapp.serving import Serving
from webapp.settings import CannotStart, Settings
from webapp.short_way import Route, ShortWay
from webapp.storage.migration import MigrationBusy
from webapp.tracker.views import make_tracker_blueprint
from webapp.users.cli import make_users_cli
from webapp.users.views import SignIn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def build_app(settings: Settings | None = None) -> Flask:
    """Return Herald as a Flask app; raises ``CannotStart`` where it cannot be."""
    settings = settings or Settings.from_environment(os.environ)
    try:
        return _build_app(settings)
    except (Unavailable, MigrationBusy) as error:
        where = make_url(settings.database_url).render_as_string(hide_password=True)
        cause = error.__cause__
        reason = cause.orig if isinstance(cause, DBAPIError) else cause
        told = " ".join(f"{error} {reason or ''}".split())
        raise CannotStart(f"Herald cannot start with DATABASE_URL {where}: {told}") from error


def _build_app(settings: Settings) -> Flask:
    app = Flask("webapp", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    access = make_access(settings)
    clients: list[Callable[[], None]] = []
    factories = make_factories(app, settings, access.database, clients)
    init_app(app, factories)
    server_logger = LoggerGroup(
        {name: factory.create_logger("server") for name, factory in factories.items()}
    )
    register_error_handlers(app, server_logger)
    publishing = make_publishing(app, settings, access.gate)
    trail = AuditTrail(publishing.logger)
    app.register_blueprint(make_tokens_blueprint(access.gate, access.room_tokens, trail))
    sign_in = make_sign_in(app, settings, access, trail)
    limits = make_limits(app, settings, access, sign_in.current)
    refusals = Refusals(trail, access.gate, limits)
    refusals.watch(app)
    connecting = make_connecting(
        app, settings, access, publishing, logger=server_logger, limits=limits, refusals=refusals
    )
    collecting = _make_collecting(app, settings, access, limits, publishing)
    _put_layers_around(app, settings, _short_ways(access, publishing, limits, collecting))
    analytics = _make_analytics(settings, access, sign_in, collecting.set_aside)
    app.register_blueprint(make_analytics_blueprint(analytics))
    log = EventLog(first_reader(factories.values()))
    app.register_blueprint(make_reading_blueprint(log, access.gate, Cursors(access.secret)))
    add_owners_views(app, access, sign_in, collecting.policies)
    app.register_blueprint(make_tracker_blueprint())
    app.register_blueprint(make_api_docs_blueprint())
    shell = AuditTrail(_shell_logger(factories))
    _add_commands(app, access, sign_in, log=log, collecting=collecting, audit=shell)
    parting = Parting(publishing.rooms)
    serving = Serving(
        settings=settings,
        access=access,
        sign_in=sign_in,
        limits=limits,
        refusals=refusals,
        factories=factories,
        server_logger=server_logger,
        clients=clients,
        publishing=publishing,
        connecting=connecting,
        parting=parting,
        presenting=make_presenting(
            app, access.gate, publishing, connecting.handlers, parting, audit=trail
        ),
        analytics=analytics,
        collecting=collecting,
    )
    serving.add_to(app)
    return app


def _make_collecting(
    app: Flask, settings: Settings, access: Access, limits: RateLimits, publishing: Publishing
) -> Collecting:
    return make_collecting(
        app,
        settings,
        database=access.database,
        gate=access.gate,
        limits=limits,
        spool=spool_place(settings),
        live=LiveHits(publishing.live),
    )


def _short_ways(
    access: Access, publishing: Publishing, limits: RateLimits, collecting: Collecting
) -> Mapping[str, Route]:
    """Return the calls that go around Flask where nothing in them is out of the ordinary."""
    publish = PublishShortWay(
        publishing.publisher,
        access.gate,
        publishing.logger,
        publishing.promise,
        limits.meter(Kind.PUBLISH),
    )
    return {PUBLISH_PATH: Route(publish), **collecting.routes}


def _put_layers_around(app: Flask, settings: Settings, short: Mapping[str, Route]) -> None:
    """Have each call pass the WSGI layers; the last one named is the outermost."""
    layers: WSGIApplication = CallBudget(ShortWay(app, short))
    layers = QueryKey(layers, COLLECT_PATHS)
    origins = OriginCheck(settings.cors_origins, settings.public_url)
    layers = Cors(layers, origins, is_open=is_from_query)
    layers = SecurityHeaders(layers)
    layers = TrustedProxies(layers, settings.trusted_proxies)
    app.wsgi_app = layers  # type: ignore[method-assign]  # as Flask documents middleware


def _add_commands(
    app: Flask,
    access: Access,
    sign_in: SignIn,
    *,
    log: EventLog,
    collecting: Collecting,
    audit: AuditTrail,
) -> None:
    app.cli.add_command(make_keys_cli(lambda: access.keys, lambda: audit))
    app.cli.add_command(
        make_users_cli(
            lambda: sign_in.users,
            lambda: sign_in.links,
            lambda: sign_in.live,
            lambda: sign_in.allowed,
            lambda: audit,
        )
    )
    app.cli.add_command(make_events_cli(lambda: log, lambda name: access.keys.apps.find(name).id))
    policies = collecting.policies
    erasing = _make_erasing(access, collecting.set_aside, audit)
    app.cli.add_command(make_analytics_cli(lambda: erasing, access.keys.apps.find))
    app.cli.add_command(make_apps_cli(lambda: access.keys.apps, lambda: policies, lambda: audit))


def _make_analytics(
    settings: Settings, access: Access, sign_in: SignIn, set_aside: HitsSetAside
) -> Analytics:
    asked, exported = (access.database.for_reading(make_offload()) for _ in range(2))
    return Analytics(
        gate=access.gate,
        current=sign_in.current,
        analyst=Analyst(asked, AnswerCache(settings.redis_url)),
        exported=exported,
        erasing=_make_erasing(access, set_aside, sign_in.audit),
    )


def _make_erasing(access: Access, set_aside: HitsSetAside, audit: AuditTrail) -> UserErasing:
    return UserErasing(access.database, Erasure(access.database), set_aside, audit)


def _shell_logger(factories: Mapping[str, LoggerFactory]) -> LoggerGroup:
    """Return what a command writes its audit to: not to its own output, where that can be."""
    group = LoggerGroup(
        {
            name: factory.create_logger("audit")
            for name, factory in factories.items()
            if name != "console"
        }
    )
    return group.durable_members if group.durable else group
