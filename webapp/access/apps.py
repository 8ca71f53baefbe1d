"""Apps in the database: made, found and listed, each by its owner's leave."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from logger_lib.ids import uuid7
from webapp.errors import AppNameTaken, LimitReached, NotFound, ValidationFailed
from webapp.storage.database import Database
from webapp.storage.row_lock import lock_row
from webapp.storage.tables import OPERATOR_ID, App, User

LONGEST_NAME = 100
MAX_APPS = 100
"""How many apps an owner may register over HTTP."""


@dataclass(frozen=True, slots=True)
class AppDetails:
    """What is known of an app. ``id`` is its own for ever; ``name`` is one of its owner's.

    ``time_zone`` is that of its days, by its name in the tz database.
    """

    id: str
    name: str
    url: str
    time_zone: str
    created_at: datetime


class Apps:
    """The apps of all owners; without an owner the operator's are meant.

    Two owners may have apps of the same name, and neither ever sees the other's. Every method
    raises ``Unavailable`` where the database is down.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def ensure(self, name: str, owner_id: str = OPERATOR_ID) -> str:
        """Return the id of the owner's app of that name, made if there is none."""
        require_name("app_name", name)
        known = self._known(name, owner_id)
        if known is not None:
            return known.id
        made = self._draft(name, "", owner_id)
        try:
            return self._database.run(lambda session: _add(session, made)).id
        except IntegrityError:
            # Another process made it since the look; unless it is gone again, that one counts.
            made_elsewhere = self._known(name, owner_id)
            if made_elsewhere is None:
                raise
            return made_elsewhere.id

    def register(self, name: str, url: str, owner_id: str) -> AppDetails:
        """Make an app of a new name; raises ``AppNameTaken``, or ``LimitReached`` at 100 apps."""
        require_name("app_name", name)
        made = self._draft(name, url, owner_id)
        try:
            return self._database.run(lambda session: _add_within_limit(session, made))
        except IntegrityError as error:
            if self._known(name, owner_id) is None:
                raise
            raise AppNameTaken(
                f"You have an app {name!r}. Issue keys for it, or choose another name."
            ) from error

    def find(self, name: str, owner_id: str = OPERATOR_ID) -> AppDetails:
        """Return the owner's app of that name; raises ``NotFound`` where the owner has none."""
        known = self._known(name, owner_id)
        if known is None:
            raise NotFound(
                f"There is no app {name!r}. List all keys, or your apps, to see their names."
            )
        return known

    def owned(self, app_id: str, owner_id: str) -> AppDetails:
        """Return the owner's app of that id; raises ``NotFound`` where the owner has none."""
        query = select(App).where(App.owner_id == owner_id, App.id == app_id)
        known = self._database.run(lambda session: _first(session.scalar(query)))
        if known is None:
            raise NotFound("There is no such app of yours. GET /auth/apps lists your apps.")
        return known

    def list_of(self, owner_id: str) -> tuple[AppDetails, ...]:
        """Return the owner's apps, oldest first."""
        query = select(App).where(App.owner_id == owner_id).order_by(App.id)
        return self._database.run(
            lambda session: tuple(_details(row) for row in session.scalars(query))
        )

    def _known(self, name: str, owner_id: str) -> AppDetails | None:
        if not is_name(name):
            return None
        query = select(App).where(App.owner_id == owner_id, App.name == name)
        return self._database.run(lambda session: _first(session.scalar(query)))

    def _draft(self, name: str, url: str, owner_id: str) -> App:
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        return App(id=uuid7(), owner_id=owner_id, name=name, url=url, created_at=now)


def is_name(name: str) -> bool:
    """Say whether ``name`` can be that of an app or a key: one line that looks like what it is."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()


NAME_RULE = f"Must have 1 to {LONGEST_NAME} printable characters, none blank at an end."


def require_name(argument: str, name: str) -> None:
    """Raise ``ValidationFailed``, which names ``argument``, unless ``is_name``."""
    if not is_name(name):
        raise ValidationFailed("A name is one line of text.", {argument: [NAME_RULE]})


def _add_within_limit(session: Session, row: App) -> AppDetails:
    lock_row(session, User, row.owner_id)
    owned = select(func.count()).select_from(App).where(App.owner_id == row.owner_id)
    if (session.scalar(owned) or 0) >= MAX_APPS:
        raise LimitReached(f"You have {MAX_APPS} apps, and there can be no more.")
    return _add(session, row)


def _add(session: Session, row: App) -> AppDetails:
    session.add(row)
    session.flush()
    return _details(row)


def _first(row: App | None) -> AppDetails | None:
    return None if row is None else _details(row)


def _details(row: App) -> AppDetails:
    return AppDetails(
        id=row.id,
        name=row.name,
        url=row.url,
        time_zone=row.time_zone,
        created_at=row.created_at,
    )
