"""The composition root: the one place that names concrete classes and joins them."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from flask import Blueprint, Flask
from flask_pymongo import PyMongo
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from logger_lib import (
    DestinationNotReadable,
    Logger,
    LoggerFactory,
    LoggerGroup,
    LoggerLibError,
    LogReader,
    load_factory_class,
)
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.logging import LoggingLoggerFactory
from logger_lib.destinations.mongodb import (
    CLIENT_OPTIONS,
    COLLECTION,
    DATABASE,
    MongoLoggerFactory,
)
from logger_lib.destinations.sentry import SentryLoggerFactory
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.flask import init_app, register_blueprint
from logger_lib.spool.spool import SpoolPlace
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
from webapp.access.views import Owning, make_owner_blueprint
from webapp.audit import AuditTrail
from webapp.drain import Drain
from webapp.end import End
from webapp.environment import SocketAuth
from webapp.errors import Unavailable
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.cli import make_events_cli
from webapp.events.cursor import Cursors
from webapp.events.event_log import EventLog
from webapp.events.idempotency import KEPT_SECONDS, IdempotentAnswers
from webapp.events.publisher import Publisher
from webapp.events.reading import make_reading_blueprint
from webapp.events.retention import Retention
from webapp.events.shared_answers import SharedAnswers
from webapp.events.short_way import PATH, PublishShortWay
from webapp.events.views import events_in_call, make_events_blueprint
from webapp.health.views import make_health_blueprint
from webapp.http_errors import register_error_handlers
from webapp.json_body import MAX_BODY_BYTES
from webapp.offload import make_offload
from webapp.origins import Cors, OriginCheck
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.expiry import ExpiryWatch
from webapp.realtime.handlers import SocketHandlers
from webapp.realtime.revocation import RevocationWatch
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import SocketServer
from webapp.security_headers import SecurityHeaders
from webapp.settings import CannotStart, Settings, SettingsInvalid
from webapp.short_way import ShortWay
from webapp.start import Start
from webapp.storage.database import Database
from webapp.storage.migration import MigrationBusy
from webapp.users.cli import make_users_cli
from webapp.users.current_user import CurrentUser
from webapp.users.login_links import LoginLinks
from webapp.users.oidc import Issuer, issuer_settings
from webapp.users.sessions import Sessions, use_session_cookie
from webapp.users.user_tokens import UserTokens
from webapp.users.users import Users
from webapp.users.views import SignIn, make_users_blueprint
from webapp.worker import DRAIN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


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
    factories = _make_factories(app, settings, access.database, clients)
    init_app(app, factories)
    server_logger = LoggerGroup(
        {name: factory.create_logger("server") for name, factory in factories.items()}
    )
    register_error_handlers(app, server_logger)
    rooms = RoomManager(Broadcasts())
    answers = _make_answers(settings)
    publisher = Publisher(rooms)
    acknowledgements = Acknowledgements(settings.event_ack)
    events = make_events_blueprint(publisher, access.gate, answers, acknowledgements)
    events_logger = register_blueprint(app, events, loggers=settings.event_loggers)
    trail = AuditTrail(events_logger)
    app.register_blueprint(make_tokens_blueprint(access.gate, access.room_tokens, trail))
    sign_in = _make_sign_in(app, settings, access, trail)
    limits = _make_limits(app, settings, access, sign_in.current.claimed_id)
    refusals = Refusals(trail, access.gate, limits)
    refusals.watch(app)
    sockets = _make_sockets(
        app, settings, access, rooms, logger=server_logger, limits=limits, refusals=refusals
    )
    acknowledgement = acknowledgements.of(events_logger)
    meter = limits.meter(Kind.PUBLISH)
    way = PublishShortWay(publisher, access.gate, events_logger, acknowledgement, meter)
    _put_layers_around(app, settings, way)
    log = EventLog(_first_reader(factories.values()))
    app.register_blueprint(make_reading_blueprint(log, access.gate, Cursors(access.secret)))
    app.register_blueprint(make_users_blueprint(sign_in))
    app.register_blueprint(_make_owner_blueprint(access, sign_in))
    _add_commands(app, access, sign_in, log, AuditTrail(_shell_logger(factories)))
    watches = [
        RevocationWatch(rooms, access.gate.revoked_among, server_logger).run,
        ExpiryWatch(rooms, server_logger).run,
        *_retention(settings, factories.values()),
    ]
    start = _make_start(settings, access, sign_in, factories.values(), watches)
    end = End(
        {
            "recording when keys were last used": start.record_use,
            **{f"closing the logger {name}": made.close for name, made in factories.items()},
            "closing the shared answers": answers.close,
            "closing the rate limits": limits.windows.close,
            **{f"closing client {number}": close for number, close in enumerate(clients, 1)},
            "closing the database": access.database.close,
        }
    )
    loggers = LoggerGroup({"events": events_logger, "server": server_logger})
    drain = Drain(sockets, loggers, on_serving=start, on_end=end)
    app.extensions[DRAIN] = drain
    health = make_health_blueprint({"database": access.database.ping, "drain": drain.check})
    app.register_blueprint(health)
    return app


def _put_layers_around(app: Flask, settings: Settings, way: PublishShortWay) -> None:
    """Have each call pass the WSGI layers; the last one named is the outermost."""
    layers: WSGIApplication = ShortWay(app, PATH, way)
    layers = Cors(layers, OriginCheck(settings.cors_origins))
    layers = SecurityHeaders(layers)
    layers = TrustedProxies(layers, settings.trusted_proxies)
    app.wsgi_app = layers  # type: ignore[method-assign]  # as Flask documents middleware


def _add_commands(
    app: Flask, access: Access, sign_in: SignIn, log: EventLog, audit: AuditTrail
) -> None:
    app.cli.add_command(make_keys_cli(lambda: access.keys, lambda: audit))
    app.cli.add_command(make_users_cli(lambda: sign_in.users, lambda: sign_in.links))
    app.cli.add_command(make_events_cli(lambda: log, lambda name: access.keys.apps.find(name).id))


def _make_start(
    settings: Settings,
    access: Access,
    sign_in: SignIn,
    factories: Iterable[LoggerFactory],
    background: Iterable[Callable[[], None]],
) -> Start:
    return Start(
        settings,
        access.keys,
        access.gate,
        factories,
        background=background,
        login_link=sign_in.links.make if sign_in.issuer is None else None,
    )


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
    use_session_cookie(app, access.secret)
    users, sessions = Users(access.database), Sessions()
    tokens = UserTokens(access.secret)
    issuer = issuer_settings(settings)
    return SignIn(
        users=users,
        links=LoginLinks(
            access.database, settings.public_url or f"http://localhost:{settings.port}"
        ),
        tokens=tokens,
        sessions=sessions,
        current=CurrentUser(users, tokens, sessions),
        audit=audit,
        issuer=None if issuer is None else Issuer(app, issuer),
        allowed=settings.sign_in_allowed,
        public_url=settings.public_url,
    )


def _make_owner_blueprint(access: Access, sign_in: SignIn) -> Blueprint:
    return make_owner_blueprint(
        Owning(
            apps=access.keys.apps,
            keys=access.keys,
            signer=access.signer,
            audit=sign_in.audit,
            current=sign_in.current,
        )
    )


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


def _first_reader(factories: Iterable[LoggerFactory]) -> LogReader | None:
    for factory in factories:
        try:
            return factory.create_reader()
        except DestinationNotReadable:
            continue
    return None


def _retention(settings: Settings, factories: Iterable[LoggerFactory]) -> list[Callable[[], None]]:
    """Return what deletes old records, for destinations that do not do it themselves."""
    days = settings.event_retention_days
    if days is None:
        return []
    return [
        Retention(factory.delete_before, days).run
        for factory in factories
        if isinstance(factory, SqlLoggerFactory)
    ]


def _make_factories(
    app: Flask, settings: Settings, database: Database, clients: list[Callable[[], None]]
) -> dict[str, LoggerFactory]:
    """Return the factories by name; what closes a client that none of them owns is appended."""
    try:
        return {
            name: _make_factory(name, app, settings, database, clients)
            for name in settings.event_loggers
        }
    except LoggerLibError as error:
        raise SettingsInvalid({"EVENT_LOGGERS": f"cannot be used: {error}"}) from error


def _make_factory(
    name: str,
    app: Flask,
    settings: Settings,
    database: Database,
    clients: list[Callable[[], None]],
) -> LoggerFactory:
    if name == "logging":
        return LoggingLoggerFactory(stream=_own_stderr(), offload=make_offload())
    if name == "console":
        return ConsoleLoggerFactory(offload=make_offload())
    if name == "sql":
        return SqlLoggerFactory(
            database.engine, offload=database.offload, spool=_spool_place(settings)
        )
    if name == "mongodb":
        return _mongodb(app, settings, clients)
    if name == "sentry":
        return _sentry(settings)
    # A destination of a third party has variables of its own, which Settings cannot know.
    return load_factory_class(name).from_settings(os.environ)


def _mongodb(
    app: Flask, settings: Settings, clients: list[Callable[[], None]]
) -> MongoLoggerFactory:
    provider = app.json
    mongo = PyMongo(app, settings.mongo_uri, **CLIENT_OPTIONS)
    # Flask-PyMongo would have the app's JSON speak BSON.
    app.json = provider
    client = mongo.cx
    assert client is not None  # noqa: S101  PyMongo(app) has connected it
    clients.append(client.close)
    collection = client.get_default_database(DATABASE)[COLLECTION]
    days = settings.event_retention_days
    return MongoLoggerFactory(
        collection,
        spool=_spool_place(settings),
        keep=None if days is None else timedelta(days=days),
    )


def _spool_place(settings: Settings) -> SpoolPlace:
    # An offload of its own: the disk must not wait for a database that hangs.
    return SpoolPlace(settings.home, settings.spool_max_bytes, make_offload())


def _sentry(settings: Settings) -> SentryLoggerFactory:
    dsn = settings.sentry_dsn
    assert dsn is not None  # noqa: S101  Settings refuses the logger sentry without one
    return SentryLoggerFactory(dsn, environment=settings.sentry_environment)


def _own_stderr() -> TextIO:
    # A stream of its own on the same descriptor: where its reader stalls, the thread that writes
    # here holds this stream's lock, and not that of sys.stderr, which everything else prints to.
    return open(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123 - a descriptor


def _make_answers(settings: Settings) -> IdempotentAnswers:
    url = settings.redis_url
    return IdempotentAnswers(SharedAnswers(url, KEPT_SECONDS) if url else None)


def _make_limits(
    app: Flask, settings: Settings, access: Access, signed_in: Callable[[], str | None]
) -> RateLimits:
    rates = {
        Kind.PUBLISH: settings.rate_limit_publish,
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
        rules={"events": Kind.PUBLISH, "event_log": Kind.READ, "tokens": Kind.TOKENS},
        sizes={Kind.PUBLISH: events_in_call},
        redis_url=settings.redis_url,
        signed_in=signed_in,
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
) -> SocketServer:
    sockets = SocketServer(
        app,
        rooms,
        max_connections=capacity.max_connections(settings.max_sockets),
        queue_bytes=settings.socket_queue_bytes,
        origin_allowed=OriginCheck(settings.cors_origins),
        logger=logger,
    )
    sockets.engine.check_connect = limits.check_connect
    is_open = settings.socket_auth is SocketAuth.OPEN
    SocketHandlers(
        rooms,
        access.gate,
        access.room_tokens,
        logger,
        limits=limits,
        refusals=refusals,
        max_sockets=settings.max_sockets,
        open_app_id=access.keys.apps.ensure(DEFAULT_APP) if is_open else None,
    ).register(sockets)
    return sockets
