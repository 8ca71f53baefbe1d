"""``flask --app webapp users``: make a link to sign in with, list who has signed in, end that."""

from collections.abc import Callable

import click
from flask.cli import AppGroup

from logger_lib import JsonObject
from webapp.audit import Action, AuditTrail
from webapp.errors import NotFound, SignInRefused
from webapp.shell import errors_told, moment, print_table
from webapp.storage.tables import OPERATOR_ID
from webapp.users.allowed import Allowed
from webapp.users.live_sessions import LiveSessions
from webapp.users.login_links import LoginLinks
from webapp.users.users import UserDetails, Users

_HEADINGS = ("ID", "ISSUER", "EMAIL", "NAME", "CREATED", "LAST SIGN-IN")


def make_users_cli(
    users: Callable[[], Users],
    links: Callable[[], LoginLinks],
    sessions: Callable[[], LiveSessions],
    allowed: Callable[[], Allowed],
    audit: Callable[[], AuditTrail],
) -> AppGroup:
    """Return the command group; each is called inside the app context of each command.

    What is done here is done by the operator.
    """
    group = AppGroup("users", help="Sign in without an issuer, list who has signed in, end that.")

    @group.command("login-link")
    @click.option("--user", "user_id", default=OPERATOR_ID, help="An id. Default: the operator.")
    def login_link(user_id: str) -> None:
        """Print a link, alone, that signs in once, within 15 minutes."""
        with errors_told():
            user = users().find(user_id)
            if user is None:
                raise NotFound(f"There is no user {user_id!r}. List the users to see their ids.")
            why = allowed().why_not(user)
            if why is not None:
                raise SignInRefused(f"{why}: the link would sign nobody in.")
            link = links().make(user.id)
        about: JsonObject = {"userId": user.id, "email": user.email}
        audit().record(Action.LINK_MADE, who=OPERATOR_ID, address=None, about=about)
        click.echo(link)

    @group.command("list")
    def list_() -> None:
        """List everybody who has signed in, and the operator."""
        with errors_told():
            rows = [_row(user) for user in users().list_all()]
        print_table(_HEADINGS, rows)

    @group.command("sign-out")
    @click.argument("user")
    def sign_out(user: str) -> None:
        """End all sessions, user tokens and unused links of USER, an id or e-mail address.

        Keys of their apps stay good: revoke these with "keys revoke".
        """
        with errors_told():
            found = users().named(user)
            if not found:
                raise NotFound(f"There is no user {user!r}. List the users to see who there is.")
            for each in found:
                ended = sessions().end_all(each.id)
                about: JsonObject = {"userId": each.id, "email": each.email, "sessions": ended}
                audit().record(Action.SIGNED_OUT, who=OPERATOR_ID, address=None, about=about)
                click.echo(f"{each.id} is signed out of {ended} sessions.", err=True)

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
