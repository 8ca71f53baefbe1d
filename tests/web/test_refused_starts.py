"""Starts that are refused: the operator reads what is wrong, all of it, and the process ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.herald import ROOT, environment_without_settings, free_port
from webapp import create_app
from webapp.settings import CannotStart, Settings
from webapp.storage.database import Database
from webapp.storage.migration import MigrationBusy

SECONDS = 30


def refused_command(home: Path, **environ: str) -> str:
    """Run a command, which must end with a failure and nothing on stdout; return its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "webapp", "keys", "list"],
        cwd=ROOT,
        env=environment_without_settings() | {"HERALD_HOME": str(home)} | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def refused_start(home: Path, **environ: str) -> str:
    """Start Gunicorn, which must end by itself with a failure, and return what it printed."""
    settings = {"PORT": str(free_port()), "HERALD_HOME": str(home)} | environ
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env=environment_without_settings() | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert "Herald listens" not in done.stdout
    return done.stdout + done.stderr


def test_an_unknown_logger(home: Path) -> None:
    """A logger that there is not is named, with its variable and those that there are."""
    printed = refused_start(home, EVENT_LOGGERS="logging,mongod")
    assert "EVENT_LOGGERS cannot be used: no logger is called 'mongod'" in printed
    for known in ("logging", "console", "mongodb", "sentry", "sql"):
        assert known in printed
    assert "Worker failed to boot" in printed


def test_all_that_is_wrong_is_named_at_once(home: Path) -> None:
    """Several bad settings are named in one go, before anything is begun, with no traceback."""
    printed = refused_start(
        home,
        PORT="http",
        MAX_SOCKETS="0",
        SOCKET_AUTH="maybe",
        EVENT_LOGGERS="logging,mongodb",
        DATABASE_URL="postgres://herald:passw0rd@db/herald",
        TRUSTED_PROXIES="anybody",
    )
    for name in (
        "PORT",
        "MAX_SOCKETS",
        "SOCKET_AUTH",
        "EVENT_LOGGERS",
        "SECRET_KEY",
        "TRUSTED_PROXIES",
    ):
        assert f"  {name} " in printed
    assert "Traceback" not in printed
    assert "passw0rd" not in printed
    assert not home.exists()


def test_a_command_with_wrong_settings(home: Path) -> None:
    """A command says what is wrong with the settings as the server does, without a traceback."""
    printed = refused_command(home, PORT="http")
    assert "Error: Herald cannot start with these settings:\n  PORT must be " in printed
    assert "Traceback" not in printed


NOWHERE = {"DATABASE_URL": "postgres://herald:passw0rd@127.0.0.1:1/herald", "SECRET_KEY": "s" * 32}
OUT_OF_REACH = (
    "Herald cannot start with DATABASE_URL postgresql+pg8000://herald:***@127.0.0.1:1/herald:"
    " The database is out of reach."
)


def test_a_database_that_is_out_of_reach(home: Path) -> None:
    """Server and command name the variable and the reason in one line, and no password."""
    told = refused_command(home, **NOWHERE)
    assert f"Error: {OUT_OF_REACH}" in told
    assert told.partition("Error: ")[2].count("\n") == 1
    printed = refused_start(home, **NOWHERE)
    assert printed.count(f"{OUT_OF_REACH}") == 1
    for text in (told, printed):
        assert "Traceback" not in text
        assert "passw0rd" not in text


def test_a_migration_that_does_not_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited long enough for another process's migration says so, and which database it is."""
    home.mkdir()
    monkeypatch.setattr(Database, "migrate", busy)
    with pytest.raises(CannotStart, match=r"DATABASE_URL sqlite:///.*: Another process has been"):
        create_app(Settings.from_environment({"HERALD_HOME": str(home)}))


def busy(_database: Database) -> None:
    """Wait in vain, as if another process held the lock."""
    raise MigrationBusy("Another process has been migrating for 30 seconds.")
