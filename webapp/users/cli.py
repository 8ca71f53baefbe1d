"""``flask --app webapp users``: make a link to sign in with, list who has signed in."""

from collections.abc import Callable

import click
from flask.cli import AppGroup

from webapp.errors import NotFound
from webapp.shell import errors_told, moment, print_table
from webapp.storage.tables import OPERATOR_ID
from webapp.users.login_links import LoginLinks
from webapp.users.users import UserDetails, Users

_HEADINGS = ("ID", "ISSUER", "EMAIL", "NAME", "CREATED", "LAST SIGN-IN")


def make_users_cli(users: Callable[[], Users], links: Callable[[], LoginLinks]) -> AppGroup:
    """Return the command group; both are called inside the app context of each command."""
    group = AppGroup("users", help="Sign in without an issuer, list who has signed in.")

    @group.command("login-link")
    @click.option("--user", "user_id", default=OPERATOR_ID, help="An id. Default: the operator.")
    def login_link(user_id: str) -> None:
        """Print a link, alone, that signs in once, within 15 minutes."""
        with errors_told():
            if users().find(user_id) is None:
                raise NotFound(f"There is no user {user_id!r}. List the users to see their ids.")
            link = links().make(user_id)
        click.echo(link)

    @group.command("list")
    def list_() -> None:
        """List everybody who has signed in, and the operator."""
        with errors_told():
            rows = [_row(user) for user in users().list_all()]
        print_table(_HEADINGS, rows)

    return group


def _row(user: UserDetails) -> tuple[str, ...]:
    return (
        user.id,
        user.issuer,
        user.email,
        user.name,
        moment(user.created_at),
        moment(user.last_sign_in_at),
    )
