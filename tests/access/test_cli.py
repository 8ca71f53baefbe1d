"""``flask keys``: what a shell sees."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.access.conftest import Clock
from webapp.access.cli import make_keys_cli
from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.tokens import KeySigner
from webapp.audit import AuditTrail
from webapp.storage.database import Database
from webapp.storage.tables import OPERATOR_ID


@pytest.fixture
def trail() -> MemoryLoggerFactory:
    """Where the audit of the commands goes."""
    return MemoryLoggerFactory()


@pytest.fixture
def shell(keys: ApiKeys, trail: MemoryLoggerFactory) -> FlaskCliRunner:
    app = Flask(__name__)
    audit = AuditTrail(trail.create_logger("audit"))
    app.cli.add_command(make_keys_cli(lambda: keys, lambda: audit))
    return app.test_cli_runner()


def test_issuing_and_revoking_is_written_down(
    shell: FlaskCliRunner, trail: MemoryLoggerFactory, keys: ApiKeys
) -> None:
    """The audit says that the operator did it, to which key of which app, once, and no token."""
    token = shell.invoke(args=["keys", "issue", "--scopes", "read", "--app-name", "shop"]).stdout
    (key,) = keys.list_keys("shop")
    for _ in range(2):
        shell.invoke(args=["keys", "revoke", key.id])
    assert [record.event for record in trail.records] == ["audit.key_issued", "audit.key_revoked"]
    for record in trail.records:
        assert record.fields["who"] == OPERATOR_ID
        assert (record.fields["keyId"], record.fields["appName"]) == (key.id, "shop")
        assert token.strip() not in str(record)


def test_issue_prints_the_token_alone(shell: FlaskCliRunner, signer: KeySigner) -> None:
    """What comes out on stdout can be put into a variable as it is."""
    done = shell.invoke(args=["keys", "issue", "--scopes", "publish,subscribe"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert re.fullmatch(r"herald_\S+\n", done.stdout)
    assert signer.verify(done.stdout.strip()).scopes == {Scope.PUBLISH, Scope.SUBSCRIBE}


def test_issue_takes_app_name_and_end(shell: FlaskCliRunner, keys: ApiKeys) -> None:
    """Every option reaches the key."""
    options = ["--app-name", "shop", "--name", "ci", "--expires-in-days", "3000"]
    assert shell.invoke(args=["keys", "issue", "--scopes", "read", *options]).exit_code == 0
    (key,) = keys.list_keys("shop")
    assert key.name == "ci"
    assert key.scopes == {Scope.READ}
    assert key.expires_at is not None


def test_list_is_a_table(shell: FlaskCliRunner, keys: ApiKeys) -> None:
    """One line a key, with everything but the token; an app can be asked for alone."""
    first = keys.issue("shop", frozenset({Scope.READ, Scope.PUBLISH}), "ci").key
    keys.issue("blog", frozenset(Scope))
    keys.revoke(first.id)
    keys.record_use({first.id: datetime(2027, 1, 15, 8, tzinfo=UTC)})
    lines = shell.invoke(args=["keys", "list"]).stdout.splitlines()
    assert re.split(r"  +", lines[0]) == [
        "ID", "APP", "OWNER", "NAME", "SCOPES", "CREATED", "EXPIRES", "REVOKED", "LAST USED",
        "LAST FOUR",
    ]  # fmt: skip
    at = "2027-01-15T08:00:00Z"
    row = [first.id, "shop", "operator", "ci", "publish,read", at, "-", at, at, first.last_four]
    assert re.split(r"  +", lines[1]) == row
    assert len(lines) == 3
    only = shell.invoke(args=["keys", "list", "--app-name", "blog"]).stdout.splitlines()
    assert len(only) == 2


def test_revoke_says_what_it_did(shell: FlaskCliRunner, keys: ApiKeys) -> None:
    """Revoking works once and may be repeated."""
    key = keys.issue("shop", frozenset(Scope)).key
    first = shell.invoke(args=["keys", "revoke", key.id])
    again = shell.invoke(args=["keys", "revoke", key.id])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "is revoked" in first.stderr
    assert "was revoked before" in again.stderr
    found = keys.find(key.id)
    assert found is not None
    assert found.revoked_at is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["issue"], "--scopes"),
        (["issue", "--scopes", "admin"], "There is no scope admin. Known: publish"),
        (["issue", "--scopes", "read", "--app-name", ""], "app_name: Must have"),
        (["issue", "--scopes", "read", "--expires-in-days", "0"], "--expires-in-days"),
        (["list", "--app-name", "nobody"], "List all keys"),
        (["revoke", "nothing"], "List the keys to see their ids"),
    ],
)
def test_errors_tell_the_next_step(shell: FlaskCliRunner, arguments: list[str], said: str) -> None:
    """An error ends the command with a code and says what to do, on stderr, without a traceback."""
    done = shell.invoke(args=["keys", *arguments])
    assert done.exit_code != 0
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_an_outage_is_told(signer: KeySigner, clock: Clock) -> None:
    """A database that is out of reach is an error like the others."""
    database = Database("sqlite:////nowhere/at/all.db", lambda call: call())
    app = Flask(__name__)
    app.cli.add_command(
        make_keys_cli(
            lambda: ApiKeys(database, signer, clock),
            lambda: AuditTrail(MemoryLoggerFactory().create_logger("audit")),
        )
    )
    done = app.test_cli_runner().invoke(args=["keys", "list"])
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: The database is out of reach. Try again in a moment.\n",
    )
