"""Starts that are refused: the operator reads what is wrong, all of it, and the process ends."""

import subprocess
import sys
from pathlib import Path

from tests.services.herald import ROOT, environment_without_settings, free_port

SECONDS = 30


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
