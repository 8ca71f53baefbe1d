"""``flask --app webapp apps``: how the hits of the operator's apps are kept."""

from collections.abc import Callable

import click
from flask.cli import AppGroup

from webapp.access.apps import AppDetails, Apps
from webapp.audit import AuditTrail
from webapp.collect.policies import LONGEST_RETENTION, AppPolicies, AppPolicy, zone_named
from webapp.collect.policy_change import PolicyPatch, change_policy
from webapp.errors import ValidationFailed
from webapp.shell import errors_told, moment, print_table
from webapp.storage.tables import OPERATOR_ID

FOR_EVER = "forever"
_HEADINGS = ("ID", "NAME", "CREATED", "TIME ZONE", "ADDRESSES", "HITS KEPT")


def make_apps_cli(
    apps: Callable[[], Apps], policies: Callable[[], AppPolicies], audit: Callable[[], AuditTrail]
) -> AppGroup:
    """Return the command group; each is called inside the app context of each command."""
    group = AppGroup("apps", help="List the operator's apps, and say how their hits are kept.")

    @group.command("list")
    def list_() -> None:
        """List the operator's apps."""
        with errors_told():
            rows = [_row(app, policies().stored(app.id)) for app in apps().list_of(OPERATOR_ID)]
        print_table(_HEADINGS, rows)

    @group.command("set")
    @click.argument("name")
    @click.option("--time-zone", help="Of its days, such as Europe/Berlin: while it has no hits.")
    @click.option("--addresses", type=click.Choice(["whole", "truncated"]), help="How stored.")
    @click.option("--keep-days", help=f"1 to {LONGEST_RETENTION}, or {FOR_EVER}.")
    def set_(
        name: str, time_zone: str | None, addresses: str | None, keep_days: str | None
    ) -> None:
        """Change how the hits of the app NAME are kept; what is not named stays."""
        with errors_told():
            patch = _patch(time_zone, addresses, keep_days)
            app = apps().find(name)
            policy = change_policy(policies(), audit(), app, patch, who=OPERATOR_ID, address=None)
        print_table(_HEADINGS, [_row(app, policy)])

    return group


def _patch(time_zone: str | None, addresses: str | None, keep_days: str | None) -> PolicyPatch:
    patch: PolicyPatch = {}
    if time_zone is not None:
        patch["time_zone"] = zone_named(time_zone)
    if addresses is not None:
        patch["keeps_addresses"] = addresses == "whole"
    if keep_days is not None:
        patch["retention_days"] = None if keep_days == FOR_EVER else _days(keep_days)
    if not patch:
        raise ValidationFailed("Name what is to change: --time-zone, --addresses or --keep-days.")
    return patch


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= LONGEST_RETENTION:
        raise ValidationFailed(f"--keep-days is 1 to {LONGEST_RETENTION}, or {FOR_EVER}.")
    return int(text)


def _row(app: AppDetails, policy: AppPolicy) -> tuple[str, ...]:
    days = policy.retention_days
    return (
        app.id,
        app.name,
        moment(app.created_at),
        policy.time_zone.key,
        "whole" if policy.keeps_addresses else "truncated",
        FOR_EVER if days is None else f"{days} days",
    )
