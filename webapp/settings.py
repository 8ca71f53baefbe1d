"""The settings of Herald: read once, from the environment, and validated as a whole.

A variable set to nothing counts as unset, as Docker Compose and Heroku hand on empty ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limits import RateLimitItem

from webapp.environment import Environment, EventAck, SocketAuth
from webapp.setting_values import WEBSOCKET, Network, directory, split


class CannotStart(Exception):
    """Herald cannot start for a reason that an operator can mend; the message tells it whole."""


class SettingsInvalid(CannotStart):
    """Settings that Herald cannot start with; names every one of them and what it must be."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        lines = [f"  {name} {problem}" for name, problem in self.problems.items()]
        super().__init__(
            "Herald cannot start with these settings:\n"
            + "\n".join(lines)
            + "\nSet them in the environment; .env.example explains each one."
        )


_SAME_ON_EVERY_HOST = (
    "must be set where DATABASE_URL is a server, as every host has to have the same one:"
    ' python -c "import secrets; print(secrets.token_urlsafe(48))"'
)

_OIDC = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
_GOOGLE = ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says, parsed. Values that hold credentials stay out of ``repr()``."""

    port: int
    workers: int
    home: Path
    event_loggers: tuple[str, ...]
    event_ack: EventAck
    spool_max_bytes: int
    """For each durable logger."""
    event_retention_days: int | None
    """None: for ever."""
    collect_batch_size: int
    collect_batch_seconds: float
    max_sockets: int
    socket_queue_bytes: int
    socket_auth: SocketAuth
    socket_transports: tuple[str, ...]
    recovery_seconds: int
    """0: nobody recovers."""
    cors_origins: tuple[str, ...]
    """Origins beside Herald's own that a browser may call from; ``("*",)`` is any."""
    rate_limit_publish: RateLimitItem | None
    """None, of this as of the next ones: as many as come."""
    rate_limit_collect: RateLimitItem | None
    rate_limit_read: RateLimitItem | None
    rate_limit_tokens: RateLimitItem | None
    rate_limit_auth: RateLimitItem | None
    rate_limit_connect: RateLimitItem | None
    rate_limit_refused: RateLimitItem | None
    trusted_proxies: tuple[Network, ...]
    database_url: str = field(repr=False)
    """A SQLAlchemy URL that names the driver."""
    mongo_uri: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    sentry_dsn: str | None = field(repr=False)
    sentry_environment: str | None
    secret_key: str | None = field(repr=False)
    """What the environment gives; ``access.secret.load_secret`` makes one where it gives none."""
    metrics_token: str | None = field(repr=False)
    public_url: str | None
    """Scheme and host, without a slash at the end."""
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None = field(repr=False)
    google_client_id: str | None
    google_client_secret: str | None = field(repr=False)
    sign_in_allowed: tuple[str, ...]
    """E-mail addresses, and domains with an @ in front, in lower case; empty: everybody."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from ``environ``; raises ``SettingsInvalid`` with all that is wrong."""
        given = _given(environ)
        problems = _problems_of_values(given) | _problems_between(given)
        if problems:
            raise SettingsInvalid(problems)
        return cls(**Environment().load(_with_dependent_defaults(given)))


@dataclass(frozen=True, slots=True)
class Documented:
    """One row of the table that ``.env.example`` explains to operators."""

    name: str
    default: str
    why: str


def documented() -> tuple[Documented, ...]:
    """Return every setting with its default and its reason, in the order of the table."""
    return tuple(
        Documented(str(entry.data_key), entry.metadata["default"], entry.metadata["why"])
        for entry in Environment().fields.values()
    )


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    names = [row.name for row in documented()]
    return {name: value for name in names if (value := environ.get(name, "").strip())}


def _problems_of_values(given: Mapping[str, str]) -> dict[str, str]:
    wrong = Environment().validate(given)
    return {
        str(entry.data_key): f"must be {entry.metadata['must_be']}"
        for entry in Environment().fields.values()
        if str(entry.data_key) in wrong
    }


def _problems_between(given: Mapping[str, str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    database = given.get("DATABASE_URL", "sqlite:")
    if "SECRET_KEY" not in given and not database.startswith("sqlite:"):
        problems |= {"SECRET_KEY": _SAME_ON_EVERY_HOST}
    for logger, needs in (("mongodb", "MONGO_URI"), ("sentry", "SENTRY_DSN")):
        if needs not in given and logger in split(given.get("EVENT_LOGGERS", "")):
            problems["EVENT_LOGGERS"] = f"names {logger}, which needs {needs}"
    return problems | _problems_of_workers(given) | _problems_of_issuer(given)


def _problems_of_workers(given: Mapping[str, str]) -> dict[str, str]:
    if not _is_several(given.get("WORKERS", "1")):
        return {}
    problems = {}
    if "REDIS_URL" not in given:
        problems["REDIS_URL"] = (
            "must be set where WORKERS is more than 1: by it they hear each other"
        )
    if split(given.get("SOCKET_TRANSPORTS", "").lower()) != (WEBSOCKET,):
        problems["SOCKET_TRANSPORTS"] = (
            "must be websocket where WORKERS is more than 1: each request of a polling client would"
            " reach another one"
        )
    return problems


def _is_several(workers: str) -> bool:
    # What is no number at all is told as such.
    return workers.isdecimal() and int(workers) > 1


def _problems_of_issuer(given: Mapping[str, str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for variables in (_OIDC, _GOOGLE):
        there = [name for name in variables if name in given]
        if there:
            problems |= {
                name: f"must be set beside {there[0]}" for name in variables if name not in given
            }
    if any(name in given for name in _OIDC) and any(name in given for name in _GOOGLE):
        problems[_GOOGLE[0]] = f"cannot be set beside {_OIDC[0]}: people sign in through one issuer"
    if any(name in given for name in _GOOGLE) and "SIGN_IN_ALLOWED" not in given:
        problems["SIGN_IN_ALLOWED"] = (
            "must say who may sign in through Google, which knows the whole world; * is everybody"
        )
    return problems


def _with_dependent_defaults(given: Mapping[str, str]) -> dict[str, str]:
    home = directory(given.get("HERALD_HOME", "./instance"))
    loggers = ["logging", "mongodb" if "MONGO_URI" in given else "sql"]
    if "SENTRY_DSN" in given:
        loggers.append("sentry")
    return {
        "HERALD_HOME": str(home),
        "EVENT_LOGGERS": ",".join(loggers),
        "DATABASE_URL": f"sqlite:///{home / 'herald.db'}",
        **given,
    }
