"""The table of settings: each variable, how it is read, its default and why it exists.

``.env.example`` is held to it by a test. What a reading function refuses is told to the operator as
the ``must_be`` of the variable.
"""

import re
from enum import StrEnum

from marshmallow import Schema, fields, validate

from webapp import setting_values

LEAST_SECRET = 32
"""Characters that a secret has at least."""

MOST_WORKERS = 64

_SENTRY_ENVIRONMENT = re.compile(r"(?!None$)[^\s/]{1,64}\Z")

_METRICS_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,200}\Z")
"""What may stand behind ``Bearer``."""


class SocketAuth(StrEnum):
    """Who may connect a socket."""

    REQUIRED = "required"
    OPEN = "open"


class EventAck(StrEnum):
    """When a publish is answered."""

    STORED = "stored"
    QUEUED = "queued"


def _about(default: str, must_be: str, why: str) -> dict[str, str]:
    return {"default": default, "must_be": must_be, "why": why}


def _rate_limit(name: str, default: str, why: str) -> fields.Function:
    return fields.Function(
        data_key=name,
        deserialize=setting_values.rate,
        load_default=setting_values.rate(default),
        metadata=_about(
            default, "off, or a number a second, minute, hour or day such as 60/minute", why
        ),
    )


def _whole_number(
    name: str, default: int | None, why: str, *, least: int = 1, most: int
) -> fields.Integer:
    return fields.Integer(
        data_key=name,
        load_default=default,
        validate=validate.Range(least, most),
        metadata=_about(
            "" if default is None else str(default), f"a whole number from {least} to {most}", why
        ),
    )


def _text(name: str, why: str) -> fields.String:
    return fields.String(data_key=name, load_default=None, metadata=_about("", "text", why))


def _address(name: str, schemes: tuple[str, ...], must_be: str, why: str) -> fields.Function:
    return fields.Function(
        data_key=name,
        deserialize=setting_values.url_of(*schemes),
        load_default=None,
        metadata=_about("", must_be, why),
    )


class Environment(Schema):
    """One field for each variable, loaded under the name it has in ``Settings``."""

    port = _whole_number(
        "PORT",
        1055,
        "The port that HTTP and Socket.IO share. Heroku sets it.",
        most=65535,
    )
    workers = _whole_number(
        "WORKERS",
        1,
        "How many processes share the port, each with the sockets that it has accepted: one for"
        " each core of the machine, less what databases need. More than one need REDIS_URL and"
        " SOCKET_TRANSPORTS=websocket. WEB_CONCURRENCY, gunicorn -w and SIGTTIN do not change it.",
        most=MOST_WORKERS,
    )
    home = fields.Function(
        data_key="HERALD_HOME",
        deserialize=setting_values.directory,
        metadata=_about(
            "./instance",
            "a directory",
            "The directory for what Herald keeps on this host: the SQLite database, the secret key,"
            " and records on their way to a destination that is out of reach. Give it a disk that"
            " lives longer than the process.",
        ),
    )
    event_loggers = fields.Function(
        data_key="EVENT_LOGGERS",
        deserialize=setting_values.logger_names,
        metadata=_about(
            "logging,sql",
            "a comma list of loggers, such as logging,sql",
            "Where every event and delivery is recorded: logging, console, mongodb, sentry, sql, or"
            " one that a package adds. With MONGO_URI the default is logging,mongodb; SENTRY_DSN"
            " adds sentry to the default.",
        ),
    )
    event_ack = fields.Enum(
        EventAck,
        by_value=True,
        data_key="EVENT_ACK",
        load_default=EventAck.STORED,
        metadata=_about(
            "stored",
            "stored or queued",
            "stored: a publish is answered when every durable logger (sql, mongodb) has committed"
            " it, or this host's disk where one is out of reach; what is collected, when the"
            " database or Redis has. queued: both are answered at once, and what was not written"
            " yet is lost when the process is killed.",
        ),
    )
    spool_max_bytes = _whole_number(
        "SPOOL_MAX_BYTES",
        256 * 1_048_576,
        "How much each durable logger may keep in HERALD_HOME/spool while its destination is"
        " out of reach. Beyond it a publish is refused with 503 until there is room again.",
        least=1_048_576,
        most=1 << 40,
    )
    event_retention_days = _whole_number(
        "EVENT_RETENTION_DAYS",
        None,
        "After how many days events and deliveries are deleted from sql and mongodb. Unset,"
        " they are kept for ever.",
        most=36_500,
    )
    collect_batch_size = _whole_number(
        "COLLECT_BATCH_SIZE",
        500,
        "How many hits are written to the database in one transaction at most; as many that"
        " wait are written at once.",
        most=10_000,
    )
    collect_batch_seconds = fields.Float(
        data_key="COLLECT_BATCH_SECONDS",
        load_default=1.0,
        validate=validate.Range(0.01, 60),
        metadata=_about(
            "1.0",
            "a number of seconds from 0.01 to 60",
            "How long a hit waits at most for others to be written with, where nobody waits for"
            " it: with EVENT_ACK=queued, or REDIS_URL.",
        ),
    )
    max_sockets = _whole_number(
        "MAX_SOCKETS",
        10_000,
        "How many sockets may be connected at once to one process, of which there are WORKERS;"
        " the next one is refused, so that publishing keeps its memory and file descriptors.",
        most=100_000,
    )
    socket_queue_bytes = _whole_number(
        "SOCKET_QUEUE_BYTES",
        1_048_576,
        "How many bytes may wait for a socket that does not read them; it is disconnected when"
        " there are more, so that one slow client cannot fill the memory.",
        least=1024,
        most=1 << 30,
    )
    socket_auth = fields.Enum(
        SocketAuth,
        by_value=True,
        data_key="SOCKET_AUTH",
        load_default=SocketAuth.REQUIRED,
        metadata=_about(
            "required",
            "required or open",
            "required: a socket connects with a token. open: anyone may connect, and join each room"
            " whose name they know; without a token a socket belongs to the app default, and hears"
            " no other app's events.",
        ),
    )
    socket_transports = fields.Function(
        data_key="SOCKET_TRANSPORTS",
        deserialize=setting_values.transports,
        load_default=(setting_values.WEBSOCKET, setting_values.POLLING),
        metadata=_about(
            "websocket,polling",
            "websocket, or websocket,polling",
            "How a socket may connect. A polling client sends many requests, all of which have to"
            " reach one process: where there are several, take websocket alone, or have the load"
            " balancer send a client to the same one always. The clients then say io(url,"
            ' {transports: ["websocket"]}).',
        ),
    )
    recovery_seconds = _whole_number(
        "RECOVERY_SECONDS",
        120,
        "How long a client that has asked for it may be away and still get the events that it"
        " missed, in order. 0 switches that off.",
        least=0,
        most=3600,
    )
    cors_origins = fields.Function(
        data_key="CORS_ORIGINS",
        deserialize=setting_values.origins,
        load_default=(),
        metadata=_about(
            "",
            "a comma list of origins such as https://app.example.com or http://localhost:3000"
            " (no path, no slash at the end), or * alone",
            "The sites whose pages may call and connect sockets beside Herald's own; * is any"
            " site. None of them gets what its visitor is signed in to here.",
        ),
    )
    rate_limit_publish = _rate_limit(
        "RATE_LIMIT_PUBLISH",
        "off",
        "How many events one API key may publish, such as 60000/minute; those of a batch count one"
        " by one. A call beyond it, as beyond the next ones, is answered 429 with Retry-After.",
    )
    rate_limit_collect = _rate_limit(
        "RATE_LIMIT_COLLECT",
        "off",
        "How many hits may be collected with one API key; those of a batch count one by one. A key"
        " that stands in a page is everybody's who sees the page.",
    )
    rate_limit_read = _rate_limit(
        "RATE_LIMIT_READ",
        "6000/minute",
        "How many calls that read the log, sockets or analytics an API key or a session may make.",
    )
    rate_limit_tokens = _rate_limit(
        "RATE_LIMIT_TOKENS",
        "6000/minute",
        "How many room tokens may be made with one API key.",
    )
    rate_limit_auth = _rate_limit(
        "RATE_LIMIT_AUTH",
        "60/minute",
        "How many calls to /auth/, and for the console's keys, a user or an address may make.",
    )
    rate_limit_connect = _rate_limit(
        "RATE_LIMIT_CONNECT",
        "6000/minute",
        "How many sockets one address may open, whether or not they log in.",
    )
    rate_limit_refused = _rate_limit(
        "RATE_LIMIT_REFUSED",
        "60/minute",
        "How many keys and tokens that are not good one address may present. Beyond it only keys"
        " that were seen in the last minute are looked at: no flood of others costs a query.",
    )
    trusted_proxies = fields.Function(
        data_key="TRUSTED_PROXIES",
        deserialize=setting_values.networks,
        load_default=(),
        metadata=_about(
            "",
            "a comma list of IP addresses or networks such as 10.0.0.0/8",
            "The reverse proxies whose X-Forwarded-For and -Proto are believed. From anyone else"
            " these headers are dropped, as a client can write what it likes in them. Nobody is"
            " believed about X-Forwarded-Host: have the proxy hand on Host.",
        ),
    )
    database_url = fields.Function(
        data_key="DATABASE_URL",
        deserialize=setting_values.database_url,
        metadata=_about(
            "sqlite:///<HERALD_HOME>/herald.db",
            "postgres://, mysql://, mariadb:// or sqlite:/// with the name of a database or file",
            "The database for apps, keys and the sql logger. In production a PostgreSQL, MySQL or"
            " MariaDB server; then SECRET_KEY must be set too. Heroku sets it.",
        ),
    )
    mongo_uri = _address(
        "MONGO_URI",
        ("mongodb", "mongodb+srv"),
        "a mongodb:// or mongodb+srv:// address",
        "The MongoDB that holds the central log of events.",
    )
    redis_url = _address(
        "REDIS_URL",
        ("redis", "rediss", "unix"),
        "a redis://, rediss:// or unix:// address",
        "The Redis that hosts share, 6.2 or later: an event posted to one host reaches the "
        "sockets of all, an Idempotency-Key answered by one is answered alike by all, and "
        "rate limits count what all get. Hits go through it to the database: python -m "
        "webapp.collect.worker has to run then, and Redis to keep its data (appendonly yes). "
        "Without it a host hears no other, remembers its own answers, counts for itself and "
        "writes its hits.",
    )
    sentry_dsn = _address(
        "SENTRY_DSN",
        ("https", "http"),
        "a Sentry DSN such as https://key@o1.ingest.sentry.io/1",
        "The Sentry project that gets every record as a structured log (names, ids and numbers,"
        " no data of an event), and an issue for each error.",
    )
    sentry_environment = fields.String(
        data_key="SENTRY_ENVIRONMENT",
        load_default=None,
        validate=validate.Regexp(_SENTRY_ENVIRONMENT),
        metadata=_about(
            "",
            "1 to 64 characters with no blank and no slash, other than None",
            "What Sentry calls this deployment, such as production or staging.",
        ),
    )
    secret_key = fields.String(
        data_key="SECRET_KEY",
        load_default=None,
        validate=validate.Length(min=LEAST_SECRET),
        metadata=_about(
            "",
            f"at least {LEAST_SECRET} characters, made at random",
            "What API keys and sessions are signed with: a new one makes every issued key invalid,"
            " and signs everybody out. Without it one is made and kept in HERALD_HOME/secret_key.",
        ),
    )
    metrics_token = fields.String(
        data_key="METRICS_TOKEN",
        load_default=None,
        validate=validate.Regexp(_METRICS_TOKEN),
        metadata=_about(
            "",
            "16 to 200 letters, digits and any of -._~+/=",
            "What Prometheus has to send to read /metrics, as Authorization: Bearer. Unset,"
            " whoever reaches the port may read them: sums without a name of an app, a room or an"
            " event. The keys of apps never open them.",
        ),
    )
    public_url = fields.Function(
        data_key="PUBLIC_URL",
        deserialize=setting_values.public_url,
        load_default=None,
        metadata=_about(
            "",
            "https:// or http:// with a host and no path, such as https://herald.example.com",
            "The address at which people reach Herald, for sign-in links and the address to which"
            " an issuer sends them back. It is then Herald's own origin, and says whether its"
            " cookie goes over HTTPS alone. Unset, the link names localhost, and all else is taken"
            " from the host of the request.",
        ),
    )
    oidc_issuer = fields.Function(
        data_key="OIDC_ISSUER",
        deserialize=setting_values.issuer,
        load_default=None,
        metadata=_about(
            "",
            "the https:// address of an OpenID Connect issuer (http:// on this host alone)",
            "Who signs people in, by OpenID Connect. Register"
            " <PUBLIC_URL>/auth/google/callback with it as the redirect URI. Without an issuer one"
            " signs in by a link that works once: flask --app webapp users login-link.",
        ),
    )
    oidc_client_id = _text("OIDC_CLIENT_ID", "What OIDC_ISSUER calls this Herald.")
    oidc_client_secret = _text(
        "OIDC_CLIENT_SECRET", "What this Herald proves to OIDC_ISSUER with that it is it."
    )
    google_client_id = _text(
        "GOOGLE_CLIENT_ID",
        "With GOOGLE_CLIENT_SECRET short for the issuer https://accounts.google.com.",
    )
    google_client_secret = _text(
        "GOOGLE_CLIENT_SECRET", "The secret that Google gives with GOOGLE_CLIENT_ID."
    )
    sign_in_allowed = fields.Function(
        data_key="SIGN_IN_ALLOWED",
        deserialize=setting_values.addresses_allowed,
        load_default=(),
        metadata=_about(
            "",
            "a comma list of e-mail addresses and domains such as ada@example.com,@example.org, or"
            " * alone",
            "Who may sign in through the issuer, by an e-mail address that it has verified. Unset"
            " or *, everybody may whom the issuer knows. With Google that is the whole world: there"
            " it has to be set. Each sees the apps of their own alone.",
        ),
    )
