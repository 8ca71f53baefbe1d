"""Settings: what each variable may be, what is said where it is not, and the kept secret."""

import multiprocessing
import re
import stat
from ipaddress import ip_network
from pathlib import Path

import pytest
from limits import (
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
    RateLimitItemPerSecond,
)

from webapp.access.secret import load_secret
from webapp.environment import EventAck, SocketAuth
from webapp.settings import Settings, SettingsInvalid, documented

_ROOT = Path(__file__).parents[1]
_SECRET = "s" * 32


def _problems(**environ: str) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.from_environment(environ)
    return caught.value.problems


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With nothing set Herald runs from files under ./instance, on port 1055, closed to others."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "instance"
    assert Settings.from_environment({}) == Settings(
        port=1055,
        workers=1,
        home=home,
        event_loggers=("logging", "sql"),
        event_ack=EventAck.STORED,
        spool_max_bytes=268_435_456,
        event_retention_days=None,
        collect_batch_size=500,
        collect_batch_seconds=1.0,
        max_sockets=10_000,
        socket_queue_bytes=1_048_576,
        socket_auth=SocketAuth.REQUIRED,
        socket_transports=("websocket", "polling"),
        recovery_seconds=120,
        cors_origins=(),
        rate_limit_publish=None,
        rate_limit_collect=None,
        rate_limit_read=RateLimitItemPerMinute(6000),
        rate_limit_tokens=RateLimitItemPerMinute(6000),
        rate_limit_auth=RateLimitItemPerMinute(60),
        rate_limit_connect=RateLimitItemPerMinute(6000),
        rate_limit_refused=RateLimitItemPerMinute(60),
        trusted_proxies=(),
        database_url=f"sqlite:///{home}/herald.db",
        mongo_uri=None,
        redis_url=None,
        sentry_dsn=None,
        sentry_environment=None,
        secret_key=None,
        metrics_token=None,
        public_url=None,
        oidc_issuer=None,
        oidc_client_id=None,
        oidc_client_secret=None,
        google_client_id=None,
        google_client_secret=None,
        sign_in_allowed=(),
    )


def test_every_variable_is_read() -> None:
    """Each variable reaches its field, parsed; blanks around values and list items do not count."""
    settings = Settings.from_environment(
        {
            "PORT": " 8080 ",
            "WORKERS": "4",
            "HERALD_HOME": "/srv/herald",
            "EVENT_LOGGERS": "console, sql,console",
            "EVENT_ACK": "queued",
            "SPOOL_MAX_BYTES": "1048576",
            "EVENT_RETENTION_DAYS": "30",
            "COLLECT_BATCH_SIZE": "1000",
            "COLLECT_BATCH_SECONDS": "0.25",
            "MAX_SOCKETS": "5",
            "SOCKET_QUEUE_BYTES": "2048",
            "SOCKET_AUTH": "open",
            "SOCKET_TRANSPORTS": " WebSocket ",
            "RECOVERY_SECONDS": "0",
            "CORS_ORIGINS": "https://Example.com, http://localhost:3000",
            "RATE_LIMIT_PUBLISH": "1000/second",
            "RATE_LIMIT_COLLECT": "600000/minute",
            "RATE_LIMIT_READ": "off",
            "RATE_LIMIT_TOKENS": "9/hour",
            "RATE_LIMIT_AUTH": "5/minute",
            "RATE_LIMIT_CONNECT": "100/hour",
            "RATE_LIMIT_REFUSED": "1/day",
            "TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "DATABASE_URL": "postgres://u:p@db:5432/herald",
            "MONGO_URI": "mongodb+srv://mongo/herald",
            "REDIS_URL": "rediss://redis:6379/0",
            "SENTRY_DSN": "https://key@sentry.example/1",
            "SENTRY_ENVIRONMENT": "staging",
            "SECRET_KEY": _SECRET,
            "METRICS_TOKEN": "a-token-of-prometheus",
            "PUBLIC_URL": "https://Herald.example.com/",
            "OIDC_ISSUER": "https://issuer.example.com/realms/one",
            "OIDC_CLIENT_ID": "herald",
            "OIDC_CLIENT_SECRET": "its secret",
            "SIGN_IN_ALLOWED": "Ada@example.com, @example.org",
            "UNRELATED": "x",
        }
    )
    assert settings == Settings(
        port=8080,
        workers=4,
        home=Path("/srv/herald"),
        event_loggers=("console", "sql"),
        event_ack=EventAck.QUEUED,
        spool_max_bytes=1_048_576,
        event_retention_days=30,
        collect_batch_size=1000,
        collect_batch_seconds=0.25,
        max_sockets=5,
        socket_queue_bytes=2048,
        socket_auth=SocketAuth.OPEN,
        socket_transports=("websocket",),
        recovery_seconds=0,
        cors_origins=("https://example.com", "http://localhost:3000"),
        rate_limit_publish=RateLimitItemPerSecond(1000),
        rate_limit_collect=RateLimitItemPerMinute(600_000),
        rate_limit_read=None,
        rate_limit_tokens=RateLimitItemPerHour(9),
        rate_limit_auth=RateLimitItemPerMinute(5),
        rate_limit_connect=RateLimitItemPerHour(100),
        rate_limit_refused=RateLimitItemPerDay(1),
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
        database_url="postgresql+pg8000://u:p@db:5432/herald",
        mongo_uri="mongodb+srv://mongo/herald",
        redis_url="rediss://redis:6379/0",
        sentry_dsn="https://key@sentry.example/1",
        sentry_environment="staging",
        secret_key=_SECRET,
        metrics_token="a-token-of-prometheus",
        public_url="https://herald.example.com",
        oidc_issuer="https://issuer.example.com/realms/one",
        oidc_client_id="herald",
        oidc_client_secret="its secret",
        google_client_id=None,
        google_client_secret=None,
        sign_in_allowed=("ada@example.com", "@example.org"),
    )


def test_all_errors_are_named_at_once() -> None:
    """One start tells every variable that is wrong and what it must be."""
    wrong = {
        "PORT": "0",
        "WORKERS": "0",
        "EVENT_LOGGERS": "sql,no good",
        "EVENT_ACK": "never",
        "SPOOL_MAX_BYTES": "1",
        "EVENT_RETENTION_DAYS": "0",
        "COLLECT_BATCH_SIZE": "0",
        "COLLECT_BATCH_SECONDS": "0",
        "MAX_SOCKETS": "many",
        "SOCKET_AUTH": "none",
        "SOCKET_TRANSPORTS": "polling",
        "CORS_ORIGINS": "https://example.com/path",
        "RATE_LIMIT_READ": "0/minute",
        "RATE_LIMIT_TOKENS": "many",
        "TRUSTED_PROXIES": "10.0.0.1/8",
        "DATABASE_URL": "oracle://db/herald",
        "MONGO_URI": "http://mongo",
        "REDIS_URL": "redis:",
        "SENTRY_DSN": "https://[",
        "SENTRY_ENVIRONMENT": "None",
        "SECRET_KEY": "short",
        "METRICS_TOKEN": "with blanks, and too short",
        "PUBLIC_URL": "herald.example.com",
        "OIDC_ISSUER": "http://issuer.example.com",
        "OIDC_CLIENT_ID": "",
        "OIDC_CLIENT_SECRET": "",
        "SIGN_IN_ALLOWED": "ada",
    }
    problems = _problems(**wrong)
    assert problems.keys() == wrong.keys()
    assert problems["PORT"] == "must be a whole number from 1 to 65535"
    with pytest.raises(SettingsInvalid, match=r"PORT must be .*\n  WORKERS must be "):
        Settings.from_environment(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "10.5"),
        ("WORKERS", "65"),
        ("WORKERS", "-4"),
        ("MAX_SOCKETS", "100001"),
        ("SOCKET_TRANSPORTS", ","),
        ("SOCKET_TRANSPORTS", "websocket,pigeon"),
        ("EVENT_LOGGERS", ","),
        ("CORS_ORIGINS", "*,https://example.com"),
        ("CORS_ORIGINS", "ftp://example.com"),
        ("CORS_ORIGINS", "https://"),
        ("RATE_LIMIT_AUTH", "30"),
        ("RATE_LIMIT_AUTH", "30/minute;5/second"),
        ("RATE_LIMIT_AUTH", "30/fortnight"),
        ("RATE_LIMIT_AUTH", "none"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("PUBLIC_URL", "https://example.com/herald"),
        ("OIDC_ISSUER", "https://"),
        ("OIDC_ISSUER", "https://issuer.example.com/?tenant=1"),
        ("SIGN_IN_ALLOWED", "example.com"),
        ("SIGN_IN_ALLOWED", "ada@"),
        ("DATABASE_URL", "no url"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
    ],
)
def test_refused_values(name: str, value: str) -> None:
    """A value outside of what the variable takes refuses the start and names the variable."""
    assert name in _problems(**{name: value})


def test_empty_is_unset() -> None:
    """Empty and blank variables count as unset."""
    empty = {row.name: " " for row in documented()}
    assert Settings.from_environment(empty) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("given", "loggers"),
    [
        ({"MONGO_URI": "mongodb://m/herald"}, ("logging", "mongodb")),
        ({"SENTRY_DSN": "https://k@s/1"}, ("logging", "sql", "sentry")),
        (
            {"MONGO_URI": "mongodb://m/herald", "SENTRY_DSN": "https://k@s/1"},
            ("logging", "mongodb", "sentry"),
        ),
        ({"SENTRY_DSN": "https://k@s/1", "EVENT_LOGGERS": "sql"}, ("sql",)),
    ],
)
def test_default_loggers_follow_what_is_there(
    given: dict[str, str], loggers: tuple[str, ...]
) -> None:
    """MONGO_URI and SENTRY_DSN bring their loggers into the default, and only into the default."""
    assert Settings.from_environment(given).event_loggers == loggers


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, {"REDIS_URL", "SOCKET_TRANSPORTS"}),
        ({"REDIS_URL": "redis://r"}, {"SOCKET_TRANSPORTS"}),
        ({"REDIS_URL": "redis://r", "SOCKET_TRANSPORTS": "polling"}, {"SOCKET_TRANSPORTS"}),
        ({"SOCKET_TRANSPORTS": "websocket"}, {"REDIS_URL"}),
        ({"SOCKET_TRANSPORTS": "websocket", "PORT": "x"}, {"REDIS_URL", "PORT"}),
    ],
)
def test_what_several_workers_need(given: dict[str, str], wrong: set[str]) -> None:
    """Several workers are refused where they would not hear each other or lose polling clients."""
    problems = _problems(WORKERS="4", **given)
    assert problems.keys() == wrong
    assert all("WORKERS is more than 1" in problems[name] for name in wrong - {"PORT"})


def test_logger_without_its_address_is_refused() -> None:
    """A logger whose destination has no address refuses the start and says what it needs."""
    assert _problems(EVENT_LOGGERS="mongodb") == {
        "EVENT_LOGGERS": "names mongodb, which needs MONGO_URI"
    }
    assert "SENTRY_DSN" in _problems(EVENT_LOGGERS="sentry")["EVENT_LOGGERS"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"OIDC_ISSUER": "https://i.example"}, {"OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}),
        ({"OIDC_CLIENT_ID": "herald"}, {"OIDC_ISSUER", "OIDC_CLIENT_SECRET"}),
        ({"GOOGLE_CLIENT_ID": "g", "SIGN_IN_ALLOWED": "*"}, {"GOOGLE_CLIENT_SECRET"}),
        ({"GOOGLE_CLIENT_SECRET": "g", "SIGN_IN_ALLOWED": "@g.example"}, {"GOOGLE_CLIENT_ID"}),
        ({"GOOGLE_CLIENT_ID": "g", "GOOGLE_CLIENT_SECRET": "g"}, {"SIGN_IN_ALLOWED"}),
        (
            {
                "OIDC_ISSUER": "http://localhost:9400",
                "OIDC_CLIENT_ID": "herald",
                "OIDC_CLIENT_SECRET": "s",
                "GOOGLE_CLIENT_ID": "g",
                "GOOGLE_CLIENT_SECRET": "g",
                "SIGN_IN_ALLOWED": "*",
            },
            {"GOOGLE_CLIENT_ID"},
        ),
    ],
)
def test_an_issuer_is_given_whole_and_alone(given: dict[str, str], named: set[str]) -> None:
    """Half an issuer, or two of them, refuse the start by the name of what has to change."""
    assert _problems(**given).keys() == named


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://u@db/h", "postgresql+pg8000://u@db/h"),
        ("postgresql://u@db/h", "postgresql+pg8000://u@db/h"),
        ("mysql://u:p%40@db:3306/h", "mysql+pymysql://u:p%40@db:3306/h"),
        ("mariadb://u@db/h", "mysql+pymysql://u@db/h"),
        ("mysql+pymysql://u@db/h", "mysql+pymysql://u@db/h"),
        ("sqlite:////srv/h.db", "sqlite:////srv/h.db"),
    ],
)
def test_database_urls_get_the_cooperative_driver(given: str, driver: str) -> None:
    """The URL that a host hands out is used with the driver that lets the event loop go on."""
    environ = {"DATABASE_URL": given, "SECRET_KEY": _SECRET}
    assert Settings.from_environment(environ).database_url == driver


def test_production_needs_a_secret() -> None:
    """A database server without SECRET_KEY refuses the start: each host would make its own."""
    assert list(_problems(DATABASE_URL="mysql://u@db/h")) == ["SECRET_KEY"]


def test_credentials_stay_out_of_sight() -> None:
    """Neither repr() nor an error shows a value that may hold a credential."""
    environ = {
        "DATABASE_URL": "postgres://u:hidden1@db/h",
        "MONGO_URI": "mongodb://u:hidden2@m/h",
        "REDIS_URL": "redis://:hidden3@r",
        "SENTRY_DSN": "https://hidden4@s/1",
        "SECRET_KEY": "hidden5" * 5,
        "OIDC_ISSUER": "https://issuer.example.com",
        "OIDC_CLIENT_ID": "herald",
        "OIDC_CLIENT_SECRET": "hidden6",
        "METRICS_TOKEN": "hidden7" * 3,
    }
    assert "hidden" not in repr(Settings.from_environment(environ))
    with pytest.raises(SettingsInvalid) as caught:
        Settings.from_environment(environ | {"SECRET_KEY": "hidden", "REDIS_URL": "hidden"})
    assert "hidden" not in str(caught.value)


def test_env_example_tells_the_same() -> None:
    """.env.example has every setting, in order, with the default and the reason of the table."""
    text = (_ROOT / ".env.example").read_text(encoding="utf-8")
    blocks = re.findall(r"((?:^# .*\n)+)# Default: (.*)\n#([A-Z_]+)=", text, re.MULTILINE)
    told = [
        (name, default, " ".join(why.replace("# ", "").split())) for why, default, name in blocks
    ]
    assert told == [(row.name, row.default or "none", row.why) for row in documented()]


def _settings(home: Path) -> Settings:
    return Settings.from_environment({"HERALD_HOME": str(home)})


def test_given_secret_makes_no_file(tmp_path: Path) -> None:
    """SECRET_KEY is used as it is, and nothing is written."""
    settings = Settings.from_environment({"HERALD_HOME": str(tmp_path), "SECRET_KEY": _SECRET})
    assert load_secret(settings) == _SECRET
    assert list(tmp_path.iterdir()) == []


def test_made_secret_is_kept_and_private(tmp_path: Path) -> None:
    """Without SECRET_KEY one is made, which the next start finds, readable by its owner alone."""
    home = tmp_path / "deep" / "home"
    secret = load_secret(_settings(home))
    assert len(secret) >= 32
    assert load_secret(_settings(home)) == secret
    assert [path.name for path in home.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((home / "secret_key").stat().st_mode) == 0o600
    assert load_secret(_settings(tmp_path / "other")) != secret


def _load_at_once(home: str, barrier: "multiprocessing.synchronize.Barrier", found: Path) -> None:
    barrier.wait()
    found.write_text(load_secret(_settings(Path(home))), encoding="ascii")


def test_processes_that_start_at_once_share_the_secret(tmp_path: Path) -> None:
    """However many processes make the secret at once, all of them end up with the same."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    home = str(tmp_path / "home")
    processes = [
        context.Process(target=_load_at_once, args=(home, barrier, tmp_path / f"found{number}"))
        for number in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
        process.close()
    assert len({path.read_text() for path in tmp_path.glob("found*")}) == 1
    assert [path.name for path in Path(home).iterdir()] == ["secret_key"]


def test_the_loser_of_the_race_takes_the_winners_secret(tmp_path: Path) -> None:
    """A secret that appears while another is being made counts, and no draft stays behind."""
    from webapp.access import secret  # noqa: PLC0415 - the step itself, as a race cannot be timed

    kept = tmp_path / "secret_key"
    kept.write_text(_SECRET)
    secret._make(kept)
    assert kept.read_text() == _SECRET
    assert list(tmp_path.iterdir()) == [kept]


def test_unusable_home_is_refused(tmp_path: Path) -> None:
    """A HERALD_HOME that cannot hold the secret, or holds a cut one, refuses the start."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="HERALD_HOME"):
        load_secret(_settings(tmp_path / "file"))
    (tmp_path / "secret_key").write_text("cut")
    with pytest.raises(SettingsInvalid, match=r"remove .*/secret_key"):
        load_secret(_settings(tmp_path))
