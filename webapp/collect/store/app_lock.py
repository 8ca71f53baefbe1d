"""The row of an app that whoever changes its hits takes first, so that they go one by one."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, text, update

from webapp.collect.store.hit_sql import Dialect
from webapp.storage.hit_tables import HitVersion


class AppState(NamedTuple):
    """What a writer has to know of an app; it is so until the end of the transaction."""

    app_id: str
    time_zone: str | None
    """The name of the one that its days are in; None where there is no such app."""
    version: int
    removals: int
    """In how many transactions days of its users went."""
    has_erased: int
    """Whether (1) hits of some users are to be left out."""
    last_number: int
    """The greatest number of a hit of any app; 0: there is none."""
    has_mark: int
    """Whether (1) the hit is there that was asked for."""


class Mark(NamedTuple):
    """A hit that a writer has committed: no other has both."""

    number: int
    batch: int


NO_MARK = Mark(0, 0)
"""That of no hit."""


class AppLock:
    """The rows of ``hit_version``: each change of an app's hits adds one to its version."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        given = dialect.rows(["app_id"])
        # In one order everywhere, lest two with several apps wait for each other.
        self._take = text(
            "INSERT INTO hit_version (app_id, version, removals)"
            f" SELECT app_id, 1, 0 FROM {given} WHERE true ORDER BY app_id"
            f" {dialect.add('hit_version', ['app_id'], 'version')}"
        )
        self._states = text(
            "SELECT v.app_id, app.time_zone, v.version, v.removals, CASE WHEN EXISTS"
            " (SELECT 1 FROM erased_user e WHERE e.app_id = v.app_id) THEN 1 ELSE 0 END,"
            " (SELECT COALESCE(MAX(number), 0) FROM hit),"
            " (SELECT COUNT(*) FROM hit WHERE number = :number AND batch = :batch)"
            f" FROM {given} JOIN hit_version v ON v.app_id = given.app_id"
            " LEFT JOIN app ON app.id = v.app_id"
        )

    def take(self, connection: Connection, apps: Iterable[str]) -> None:
        """Hold ``apps`` until the end of the transaction, which begins with this."""
        self._dialect.begin(connection)
        connection.execute(self._take, {"rows": self._encode(apps)})

    def states(self, connection: Connection, apps: Iterable[str], mark: Mark) -> list[AppState]:
        """Return what is known of ``apps``, which are held, and whether ``mark`` is there."""
        found = connection.execute(self._states, {"rows": self._encode(apps), **mark._asdict()})
        return [AppState(*row) for row in found]

    @staticmethod
    def count_removal(connection: Connection, app_id: str) -> None:
        """Have writers know that days of users of the app, which is held, have gone."""
        row = HitVersion
        counted = update(row).where(row.app_id == app_id).values(removals=row.removals + 1)
        connection.execute(counted)

    def _encode(self, apps: Iterable[str]) -> str:
        return self._dialect.encode(["app_id"], [(app_id,) for app_id in apps])
