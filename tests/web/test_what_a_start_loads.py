"""What is loaded at a start: what the settings ask for, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.herald import ROOT, environment_without_settings
from tests.services.migrated import migrated_file

COSTLY = ("alembic", "apispec", "authlib", "eventlet.support.greendns", "pymongo", "sentry_sdk")
"""Each of these takes about as long to load as a tenth of a start."""

ISSUER = {
    "OIDC_ISSUER": "https://issuer.example",
    "OIDC_CLIENT_ID": "herald",
    "OIDC_CLIENT_SECRET": "secret",
    "SIGN_IN_ALLOWED": "@example.com",
}


@pytest.mark.parametrize(
    ("settings", "loaded"),
    [
        ({}, set()),
        (ISSUER, {"authlib"}),
        ({"EVENT_LOGGERS": "sentry", "SENTRY_DSN": "http://key@127.0.0.1:9/1"}, {"sentry_sdk"}),
        (
            {"EVENT_LOGGERS": "mongodb", "MONGO_URI": "mongodb://127.0.0.1:9/herald"},
            {"pymongo"},
        ),
    ],
    ids=["the defaults", "an issuer", "sentry", "mongodb"],
)
def test_what_the_settings_ask_for(home: Path, settings: dict[str, str], loaded: set[str]) -> None:
    """A start with tables that are there loads nothing costly but what its settings are about."""
    environ = environment_without_settings() | {"HERALD_HOME": str(home)} | settings
    migrated_file(home / "herald.db")
    program = f"import sys, wsgi; print(*(name for name in {COSTLY} if name in sys.modules))"
    assert set(_output([sys.executable, "-c", program], environ).split()) == loaded


def test_a_name_that_is_looked_up_stops_nobody() -> None:
    """While a server of names does not answer, the event loop goes on."""
    program = str(Path(__file__).with_name("slow_lookup.py"))
    environ = environment_without_settings() | {"PYTHONPATH": str(ROOT)}
    assert _output([sys.executable, program], environ) == "went on\n"


def _output(command: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
