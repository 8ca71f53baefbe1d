"""How each app wants its hits kept, as its row says."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.collect.store.app_lock import AppLock
from webapp.collect.store.hit_sql import Dialect
from webapp.errors import NotFound, TimeZoneFixed, Unavailable, ValidationFailed
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow
from webapp.storage.tables import App

FRESH_SECONDS = 10.0
"""How long what was read counts without another look."""

PATIENCE_SECONDS = 0.1
"""How long a call that brings hits waits for a look."""

MAX_POLICIES = 10_000
"""How many apps are remembered; the one that was looked up first goes first."""

LONGEST_RETENTION = 36_500
"""Days."""

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """How an app wants its hits kept."""

    time_zone: ZoneInfo = UTC
    """In which its days begin and end."""
    keeps_addresses: bool = False
    """Whether addresses are stored whole."""
    retention_days: int | None = None
    """After how many days its hits are deleted; None: never."""


DEFAULT_POLICY = AppPolicy()


class AppPolicies:
    """The policies of all apps, each at most ten seconds old while the database can be asked.

    While it cannot, what it said last counts; of an app that it was never asked about, the default.
    """

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._timer = timer
        self._lock = AppLock(Dialect(database.engine.dialect.name))
        # The oldest look comes first.
        self._known: dict[str, tuple[AppPolicy, float]] = {}
        self.failed = 0
        """How often the database could not be asked."""

    def of(self, app_id: str) -> AppPolicy:
        """Return the policy of an app; that of one that does not exist is the default."""
        known, looked_at = self._known.get(app_id, (DEFAULT_POLICY, float("-inf")))
        if self._timer() - looked_at < FRESH_SECONDS:
            return known
        # While this one looks, and for ten seconds where it fails, others get what is known.
        self._keep(app_id, known)
        try:
            known = self._database.run(lambda session: stored_policy(session, app_id))
        except Unavailable:
            self.failed += 1
        self._keep(app_id, known)
        return known

    def soon(self, app_id: str) -> AppPolicy:
        """Return the policy of an app, for who cannot wait: a tenth of a second at the most.

        What a slow database says later counts for the next one.
        """
        known, looked_at = self._known.get(app_id, (DEFAULT_POLICY, float("-inf")))
        if self._timer() - looked_at < FRESH_SECONDS:
            return known
        look = threading.Thread(target=self.of, args=(app_id,), daemon=True)
        look.start()
        look.join(PATIENCE_SECONDS)
        return self._known.get(app_id, (known, 0.0))[0]

    def stored(self, app_id: str) -> AppPolicy:
        """Return the policy of an app as it is now; raises ``Unavailable``."""
        return self._database.run(lambda session: stored_policy(session, app_id))

    def change(self, app_id: str, changed: Callable[[AppPolicy], AppPolicy]) -> AppPolicy:
        """Have the hits of an app kept as ``changed`` makes it of what is; return what it is now.

        It holds from now on, within ten seconds everywhere. Of changes at once each begins with
        what the one before has left. Raises ``TimeZoneFixed`` where the zone is to be another one
        and the app has hits, ``ValidationFailed``, ``NotFound`` or ``Unavailable``.
        """

        def change(session: Session) -> AppPolicy:
            # Who writes hits or changes this meanwhile comes before, and is seen, or after it.
            self._lock.take(session.connection(), [app_id])
            policy = changed(stored_policy(session, app_id))
            _require_retention(policy)
            _change(session, app_id, policy)
            return policy

        policy = self._database.run(change)
        self.forget(app_id)
        return policy

    def forget(self, app_id: str) -> None:
        """Have the policy of an app read anew: it was changed."""
        self._known.pop(app_id, None)

    def _keep(self, app_id: str, policy: AppPolicy) -> None:
        self._known.pop(app_id, None)
        if len(self._known) >= MAX_POLICIES:
            self._known.pop(next(iter(self._known)), None)
        self._known[app_id] = (policy, self._timer())


def stored_policy(session: Session, app_id: str) -> AppPolicy:
    """Return the policy of an app as the database has it now."""
    columns = (App.time_zone, App.keeps_addresses, App.hit_retention_days)
    row = session.execute(select(*columns).where(App.id == app_id)).first()
    return DEFAULT_POLICY if row is None else AppPolicy(zone_called(row[0]), bool(row[1]), row[2])


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone that somebody asks for; raises ``ValidationFailed``."""
    if name not in available_timezones():
        rule = "Must be a name of the IANA time zone database, as Europe/Berlin."
        raise ValidationFailed("There is no such time zone.", {"time_zone": [rule]})
    return ZoneInfo(name)


def zone_called(name: str) -> ZoneInfo:
    """Return the time zone that an app has; UTC where this host does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # This host's data of the zones is older than that of the host where it was set.
        return UTC


def _require_retention(policy: AppPolicy) -> None:
    days = policy.retention_days
    if days is not None and not 0 < days <= LONGEST_RETENTION:
        rule = f"Must be 1 to {LONGEST_RETENTION} days, or null: for ever."
        raise ValidationFailed("This is no retention.", {"retention_days": [rule]})


def _change(session: Session, app_id: str, policy: AppPolicy) -> None:
    before = session.scalar(select(App.time_zone).where(App.id == app_id))
    if before is None:
        raise NotFound("There is no such app.")
    if before != policy.time_zone.key and _has_hits(session, app_id):
        raise TimeZoneFixed(
            f"This app has hits, whose days are those of {before}. Register another app for hits"
            " in another time zone."
        )
    values = {
        "time_zone": policy.time_zone.key,
        "keeps_addresses": policy.keeps_addresses,
        "hit_retention_days": policy.retention_days,
    }
    session.execute(update(App).where(App.id == app_id).values(values))


def _has_hits(session: Session, app_id: str) -> bool:
    first = select(HitRow.number).where(HitRow.app_id == app_id).limit(1)
    return session.scalar(first) is not None
