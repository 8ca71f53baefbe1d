"""``flask --app webapp keys``: issue, list and revoke API keys from a shell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from flask.cli import AppGroup

from webapp.access.first_key import DEFAULT_APP
from webapp.access.keys import ApiKeys, KeyDetails
from webapp.access.scopes import Scope, ScopesInvalid, format_scopes, parse_scopes
from webapp.errors import HeraldError

_HEADINGS = (
    "ID",
    "APP",
    "NAME",
    "SCOPES",
    "CREATED",
    "EXPIRES",
    "REVOKED",
    "LAST USED",
    "LAST FOUR",
)


def make_keys_cli(keys: Callable[[], ApiKeys]) -> AppGroup:
    """Return the command group; ``keys`` is called inside the app context of each command."""
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
        click.echo(issued.token)

    @group.command("list")
    @click.option("--app-name", help="Only the keys of this app.")
    def list_(app_name: str | None) -> None:
        """List the keys, the revoked and expired ones too."""
        with _errors_told():
            rows = [_row(key) for key in keys().list_keys(app_name)]
        for line in _table([_HEADINGS, *rows]):
            click.echo(line)

    @group.command("revoke")
    @click.argument("key_id")
    def revoke(key_id: str) -> None:
        """Make the key worthless, for ever, within 2 seconds."""
        with _errors_told():
            revoked = keys().revoke(key_id)
        click.echo(f"{key_id} {'is revoked' if revoked else 'was revoked before'}.", err=True)

    return group


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except ScopesInvalid as error:
        raise click.BadParameter(str(error), param_hint="--scopes") from error
    except HeraldError as error:
        raise click.ClickException(f"{error.message} {_by_field(error)}".strip()) from error


def _by_field(error: HeraldError) -> str:
    fields = error.fields or {}
    return " ".join(f"{name}: {' '.join(said)}" for name, said in fields.items())


def _expiry(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _row(key: KeyDetails) -> tuple[str, ...]:
    return (
        key.id,
        key.app_name,
        key.name or "-",
        format_scopes(key.scopes),
        _moment(key.created_at),
        _moment(key.expires_at),
        _moment(key.revoked_at),
        _moment(key.last_used_at),
        key.last_four,
    )


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
