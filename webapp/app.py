"""The composition root: the one place that names concrete classes and joins them.

What only some settings need is imported where they ask for it, so that a start is quick.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from logger_lib import Logger, LoggerFactory, LoggerGroup
from logger_lib.flask import init_app, register_blueprint
from webapp import capacity
from webapp.access.cli import make_keys_cli
from webapp.access.first_key import DEFAULT_APP
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.proxies import TrustedProxies
from webapp.access.rate_limits import Kind, RateLimits
from webapp.access.refusals import Refusals
from webapp.access.room_tokens import RoomTokens, RoomTokenSigner
from webapp.access.secret import load_secret
from webapp.access.token_views import make_tokens_blueprint
from webapp.access.tokens import KeySigner
from webapp.acknowledgement import Acknowledgement
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
from webapp.collect.views import hits_in_call
from webapp.collecting import Collecting, make_collecting
from webapp.destinations import first_reader, make_factories, spool_place
from webapp.environment import SocketAuth
from webapp.errors import Unavailable
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.cli import make_events_cli
from webapp.events.cursor import Cursors
from webapp.events.event_log import EventLog
from webapp.events.idempotency import KEPT_SECONDS, IdempotentAnswers
from webapp.events.live import LiveEvents
from webapp.events.publisher import Publisher
from webapp.events.reading import make_reading_blueprint
from webapp.events.shared_answers import SharedAnswers
from webapp.events.short_way import PATH as PUBLISH_PATH
from webapp.events.short_way import PublishShortWay
from webapp.events.views import events_in_call, make_events_blueprint
from webapp.http_errors import register_error_handlers
from webapp.json_body import MAX_BODY_BYTES
from webapp.names import LIVE_ROOMS
from webapp.offload import make_offload
from webapp.origins import Cors, OriginCheck
from webapp.owning import add_owners_views
from webapp.presenting import make_presenting
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.history import History
from webapp.realtime.keeping import KeepingFanOut
from webapp.realtime.parting import Parting
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import SocketServer
from webapp.recovering import Recovering, make_history, make_recovering
from webapp.security_headers import SecurityHeaders
from webapp.serving import Serving
from webapp.setting_values import POLLING
from webapp.settings import CannotStart, Settings
from webapp.short_way import Route, ShortWay
from webapp.storage.database import Database
from webapp.storage.migration import MigrationBusy
from webapp.tracker.views import make_tracker_blueprint
from webapp.users.allowed import Allowed
from webapp.users.cli import make_users_cli
from webapp.users.current_user import CurrentUser
from webapp.users.issuer import IssuerSettings, issuer_settings
from webapp.users.live_sessions import LiveSessions
from webapp.users.login_links import LoginLinks
from webapp.users.sessions import Sessions, use_session_cookie
from webapp.users.user_tokens import UserTokens
from webapp.users.users import Users
from webapp.users.views import SignIn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from webapp.hosts.joining import Hosts, Joined
    from webapp.users.oidc import Issuer


@dataclass(frozen=True, slots=True)
class Access:
    """The parts that say who may call."""

    database: Database
    keys: ApiKeys
    gate: Gate
    room_tokens: RoomTokens
    signer: KeySigner
    secret: str = field(repr=False)


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
    access = _make_access(settings)
    clients: list[Callable[[], None]] = []
    factories = make_factories(app, settings, access.database, clients)
    init_app(app, factories)
    server_logger = LoggerGroup(
        {name: factory.create_logger("server") for name, factory in factories.items()}
    )
    register_error_handlers(app, server_logger)
    rooms = RoomManager(Broadcasts())
    answers = _make_answers(settings)
    history = make_history(settings)
    local, hosts = KeepingFanOut(rooms, history), _make_hosts(settings, rooms, history)
    live = hosts.live if hosts else rooms
    publisher = Publisher(hosts.fan_out if hosts else local, LiveEvents(live))
    acknowledgements = Acknowledgements(settings.event_ack)
    events = make_events_blueprint(publisher, access.gate, answers, acknowledgements)
    events_logger = register_blueprint(app, events, loggers=settings.event_loggers)
    trail = AuditTrail(events_logger)
    app.register_blueprint(make_tokens_blueprint(access.gate, access.room_tokens, trail))
    sign_in = _make_sign_in(app, settings, access, trail)
    limits = _make_limits(app, settings, access, sign_in.current)
    refusals = Refusals(trail, access.gate, limits)
    refusals.watch(app)
    sockets, handlers = _make_sockets(
        app, settings, access, rooms, logger=server_logger, limits=limits, refusals=refusals
    )
    recovering = make_recovering(
        settings, history, rooms, sockets=sockets, handlers=handlers, logger=events_logger
    )
    local.is_wanted = recovering.is_wanted
    promise, meter = acknowledgements.of(events_logger), limits.meter(Kind.PUBLISH)
    joined = _join(hosts, recovering, events_logger, promise)
    publish = PublishShortWay(publisher, access.gate, events_logger, promise, meter)
    collecting = make_collecting(
        app,
        settings,
        database=access.database,
        gate=access.gate,
        limits=limits,
        spool=spool_place(settings),
        live=LiveHits(live),
    )
    app.register_blueprint(make_tracker_blueprint())
    _put_layers_around(app, settings, {PUBLISH_PATH: Route(publish), **collecting.routes})
    log = EventLog(first_reader(factories.values()))
    app.register_blueprint(make_reading_blueprint(log, access.gate, Cursors(access.secret)))
    analytics = _make_analytics(settings, access, sign_in, collecting.set_aside)
    app.register_blueprint(make_analytics_blueprint(analytics))
    app.register_blueprint(make_api_docs_blueprint())
    add_owners_views(
        app,
        keys=access.keys,
        signer=access.signer,
        database=access.database,
        sign_in=sign_in,
        policies=collecting.policies,
    )
    shell = AuditTrail(_shell_logger(factories))
    _add_commands(app, access, sign_in, log=log, collecting=collecting, audit=shell)
    parting = Parting(rooms)
    presenting = make_presenting(
        app,
        rooms,
        access.gate,
        handlers,
        parting=parting,
        audit=trail,
        host=history.host,
        hosts=hosts,
    )
    serving = Serving(
        settings=settings,
        host=history.host,
        keys=access.keys,
        gate=access.gate,
        sign_in=sign_in,
        rooms=rooms,
        parting=parting,
        factories=factories,
        events_logger=events_logger,
        server_logger=server_logger,
        answers=answers,
        publisher=publisher,
        limits=limits,
        refusals=refusals,
        clients=clients,
        analytics=analytics,
        database=access.database,
        collecting=collecting,
        recovering=recovering,
        presenting=presenting,
        joined=joined,
    )
    serving.add_to(app, sockets)
    return app


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


def _make_access(settings: Settings) -> Access:
    database = Database(settings.database_url, make_offload())
    secret = load_secret(settings)
    signer = KeySigner(secret)
    database.migrate()
    keys = ApiKeys(database, signer)
    gate = Gate(keys, signer)
    room_tokens = RoomTokens(RoomTokenSigner(secret), gate)
    return Access(database, keys, gate, room_tokens, signer, secret)


def _make_sign_in(app: Flask, settings: Settings, access: Access, audit: AuditTrail) -> SignIn:
    use_session_cookie(app, access.secret, settings.public_url)
    live, sessions = LiveSessions(access.database), Sessions()
    tokens = UserTokens(access.secret)
    allowed = Allowed(settings.sign_in_allowed)
    issuer = issuer_settings(settings)
    return SignIn(
        users=Users(access.database),
        links=LoginLinks(
            access.database, settings.public_url or f"http://localhost:{settings.port}"
        ),
        tokens=tokens,
        sessions=sessions,
        live=live,
        current=CurrentUser(live, allowed, tokens, sessions),
        audit=audit,
        issuer=None if issuer is None else _make_issuer(app, issuer),
        allowed=allowed,
        public_url=settings.public_url,
    )


def _make_issuer(app: Flask, issuer: IssuerSettings) -> "Issuer":
    from webapp.users.oidc import Issuer

    return Issuer(app, issuer)


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


def _make_answers(settings: Settings) -> IdempotentAnswers:
    url = settings.redis_url
    return IdempotentAnswers(SharedAnswers(url, KEPT_SECONDS) if url else None)


def _make_hosts(settings: Settings, rooms: RoomManager, history: History) -> "Hosts | None":
    if settings.redis_url is None:
        return None
    from webapp.hosts.joining import Hosts

    return Hosts(settings.redis_url, rooms, history, LIVE_ROOMS)


def _join(
    hosts: "Hosts | None", recovering: Recovering, logger: LoggerGroup, promise: Acknowledgement
) -> "Joined | None":
    """Return what hears the other hosts; clients that come back to one are told to all."""
    if hosts is None:
        return None
    recovery = recovering.recovery
    if recovery is None:
        return hosts.join(logger, promise, lambda _sid: None)
    recovery.on_taken = hosts.took
    return hosts.join(logger, promise, recovery.taken)


def _make_limits(app: Flask, settings: Settings, access: Access, caller: CurrentUser) -> RateLimits:
    rates = {
        Kind.PUBLISH: settings.rate_limit_publish,
        Kind.COLLECT: settings.rate_limit_collect,
        Kind.READ: settings.rate_limit_read,
        Kind.TOKENS: settings.rate_limit_tokens,
        Kind.AUTH: settings.rate_limit_auth,
        Kind.CONNECT: settings.rate_limit_connect,
        Kind.REFUSED: settings.rate_limit_refused,
    }
    return RateLimits(
        app,
        {kind: rate for kind, rate in rates.items() if rate is not None},
        gate=access.gate,
        rules={
            "events": Kind.PUBLISH,
            "collect": Kind.COLLECT,
            "event_log": Kind.READ,
            "analytics": Kind.READ,
            "rooms": Kind.READ,
            "console": Kind.READ,
            "tokens": Kind.TOKENS,
        },
        sizes={Kind.PUBLISH: events_in_call, Kind.COLLECT: hits_in_call},
        redis_url=settings.redis_url,
        caller=caller,
        own_tokens={"metrics"},
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
