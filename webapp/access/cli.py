"""``flask --app webapp keys``: issue, list and revoke API keys from a shell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from flask.cli import AppGroup

from webapp.access.first_key import DEFAULT_APP
from webapp.access.key_audit import record_key
from webapp.access.keys import ApiKeys, KeyDetails
from webapp.access.scopes import Scope, ScopesInvalid, format_scopes, parse_scopes
from webapp.audit import Action, AuditTrail
from webapp.shell import errors_told, moment, print_table
from webapp.storage.tables import OPERATOR_ID

_HEADINGS = (
    "ID",
    "APP",
    "OWNER",
    "NAME",
    "SCOPES",
    "CREATED",
    "EXPIRES",
    "REVOKED",
    "LAST USED",
    "LAST FOUR",
)


def make_keys_cli(keys: Callable[[], ApiKeys], audit: Callable[[], AuditTrail]) -> AppGroup:
    """Return the command group; both are called inside the app context of each command.

    What is done here is done by the operator.
    """
    group = AppGroup("keys", help="Issue, list and revoke API keys.")

    @group.command("issue")
    @click.option("--scopes", required=True, help=f"Comma list of {', '.join(Scope)}.")
    @click.option("--app-name", default=DEFAULT_APP, show_default=True, help="Made if missing.")
    @click.option("--name", default="", help="What the key is for.")
    @click.option("--expires-in-days", type=click.IntRange(1, 3650), help="Default: never.")
    def issue(scopes: str, app_name: str, name: str, expires_in_days: int | None) -> None:
        """Issue a key and print it, alone. It cannot be shown again."""
        with _errors_told():
            wanted = parse_scopes(scopes)
            issued = keys().issue(app_name, wanted, name, _expiry(expires_in_days))
        record_key(audit(), Action.KEY_ISSUED, issued.key, who=OPERATOR_ID, address=None)
        click.echo(issued.token)

    @group.command("list")
    @click.option("--app-name", help="Only the keys of this app.")
    def list_(app_name: str | None) -> None:
        """List the keys, the revoked and expired ones too."""
        with _errors_told():
            rows = [_row(key) for key in keys().list_keys(app_name)]
        print_table(_HEADINGS, rows)

    @group.command("revoke")
    @click.argument("key_id")
    def revoke(key_id: str) -> None:
        """Make the key worthless, for ever, within 2 seconds."""
        with _errors_told():
            revoked = keys().revoke(key_id)
            key = keys().find(key_id)
        if revoked and key is not None:
            record_key(audit(), Action.KEY_REVOKED, key, who=OPERATOR_ID, address=None)
        click.echo(f"{key_id} {'is revoked' if revoked else 'was revoked before'}.", err=True)

    return group


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        with errors_told():
            yield
    except ScopesInvalid as error:
        raise click.BadParameter(str(error), param_hint="--scopes") from error


def _expiry(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _row(key: KeyDetails) -> tuple[str, ...]:
    return (
        key.id,
        key.app_name,
        "operator" if key.owner_id == OPERATOR_ID else key.owner_id,
        key.name,
        format_scopes(key.scopes),
        moment(key.created_at),
        moment(key.expires_at),
        moment(key.revoked_at),
        moment(key.last_used_at),
        key.last_four,
    )
