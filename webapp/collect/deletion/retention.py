"""Deleting the hits that are older than their app has them kept."""

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.collect.deletion.erased_users import ErasedUsers
from webapp.collect.deletion.removal import HitRemoval
from webapp.collect.policies import zone_called
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow
from webapp.storage.tables import App


class OldHits:
    """The hits of all apps that have a retention: a day's are deleted when it is so many days ago.

    Today does not count: with a retention of 1, yesterday's are kept.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._removal = HitRemoval(database)
        self._left: list[tuple[str, int]] = []
        """The apps of this round that are not done, each with the moment before which hits go."""
        self.failed = 0
        """How often an app was left for the next round, as its hits could not be deleted."""

    def delete_some(self, limit: int) -> int:
        """Delete some, ``limit`` at most, of one app; return how many: 0 ends a round."""
        if not self._left:
            self._left = self._database.run(self._begin)
        while self._left:
            app_id, moment = self._left[-1]
            if deleted := self._remove(app_id, moment, limit):
                return deleted
            self._left.pop()
        return 0

    def _remove(self, app_id: str, moment: int, limit: int) -> int:
        try:
            return self._removal.remove(app_id, HitRow.at < moment, limit)
        except Exception as error:  # noqa: BLE001  whatever it was, the others' turn must come
            # Unless it is about all of them: then the round waits.
            self._database.ping()
            self.failed += 1
            told = f"{type(error).__name__}. Those of the other apps are"
            sys.stderr.write(f"Herald: old hits of the app {app_id} are not deleted: {told}.\n")
            return 0

    def _begin(self, session: Session) -> list[tuple[str, int]]:
        ErasedUsers.forget(session.connection(), int(self._clock() * 1000))
        rows = session.execute(select(App.id, App.time_zone, App.hit_retention_days))
        return [(app_id, self._moment(zone, days)) for app_id, zone, days in rows if days]

    def _moment(self, zone_name: str, days: int) -> int:
        today = datetime.fromtimestamp(self._clock(), zone_called(zone_name))
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return int((midnight - timedelta(days=days)).timestamp() * 1000)
