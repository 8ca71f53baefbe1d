"""``flask --app webapp analytics``: what an operator does with hits from a shell."""

from collections.abc import Callable

import click
from flask.cli import AppGroup

from webapp.access.apps import AppDetails
from webapp.analytics.asked_apps import Asker
from webapp.analytics.erasing import UserErasing
from webapp.shell import errors_told
from webapp.storage.tables import OPERATOR_ID


def make_analytics_cli(
    erasing: Callable[[], UserErasing], app_called: Callable[[str], AppDetails]
) -> AppGroup:
    """Return the command group; both are called inside the app context of each command.

    ``app_called`` returns the operator's app of a name, and raises ``NotFound``.
    """
    group = AppGroup("analytics", help="Erase what was collected of a user.")

    @group.command("erase-user")
    @click.argument("user_id")
    @click.option("--app-name", help="Only from this app; else from all of the operator's.")
    def erase_user(user_id: str, app_name: str | None) -> None:
        """Delete all hits of the user, and take them out of every sum."""
        deleted, is_complete = 0, False
        with errors_told():
            app_id = None if app_name is None else app_called(app_name).id
            while not is_complete:
                erased = erasing().erase(Asker(app_id, OPERATOR_ID), user_id, None)
                deleted += erased.hits
                is_complete = erased.is_complete
        click.echo(f"{deleted} hits deleted.", err=True)

    return group
