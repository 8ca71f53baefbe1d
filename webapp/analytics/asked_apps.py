"""The apps that a question is about: whose they are is part of every look at them."""

from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.errors import NotFound
from webapp.storage.hit_tables import HitVersion
from webapp.storage.tables import App


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: an app by its key, or an owner, who may name one app or mean all of theirs."""

    app_id: str | None
    owner_id: str | None
    """None where an app asks."""

    def about(self, app_id: str | None) -> "Asker":
        """Return who asks about ``app_id``, where one is named.

        Raises ``NotFound`` where that is not the app that asks; an owner's are looked up later.
        """
        if app_id is None:
            return self
        if self.owner_id is None and app_id != self.app_id:
            raise _no_such_app(app_id)
        return replace(self, app_id=app_id)


@dataclass(frozen=True, slots=True)
class AskedApp:
    """An app, the zone of its days, and the version of its hits."""

    id: str
    time_zone: str
    version: int


@dataclass(frozen=True, slots=True)
class AskedApps:
    """What a question is about."""

    apps: tuple[AskedApp, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the apps."""
        return tuple(app.id for app in self.apps)

    @property
    def time_zone(self) -> str | None:
        """The zone of their days; None where they have several."""
        zones = {app.time_zone for app in self.apps}
        return zones.pop() if len(zones) == 1 else None


def find_apps(session: Session, asker: Asker) -> AskedApps:
    """Return the apps that ``asker`` means; raises ``NotFound`` where the one named is not theirs.

    For all of an owner's there may be none.
    """
    query = (
        select(App.id, App.time_zone, HitVersion.version)
        .outerjoin(HitVersion, HitVersion.app_id == App.id)
        .order_by(App.id)
    )
    if asker.app_id is not None:
        query = query.where(App.id == asker.app_id)
    if asker.owner_id is not None:
        query = query.where(App.owner_id == asker.owner_id)
    found = tuple(AskedApp(row[0], row[1], row[2] or 0) for row in session.execute(query))
    if asker.app_id is not None and not found:
        raise _no_such_app(asker.app_id)
    return AskedApps(found)


def _no_such_app(app_id: str) -> NotFound:
    return NotFound(f"There is no app {app_id!r} of yours. GET /auth/apps lists your apps.")
