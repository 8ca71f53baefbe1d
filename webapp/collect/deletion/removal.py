"""Hits that are deleted, some in a transaction, together with what they have added to the sums."""

from collections import Counter
from collections.abc import Iterable, Set
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select
from sqlalchemy.orm import Session

from webapp.collect.deletion.days_left import BUDGET, DaysLeft, with_any_event
from webapp.collect.deletion.erased_users import ErasedUsers
from webapp.collect.store.app_lock import AppLock
from webapp.collect.store.hit_sql import Dialect, Row
from webapp.collect.store.hit_sums import ADDED, HitCounts, HitSums
from webapp.collect.store.unique_users import UniqueUsers
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow

_USER = ADDED.index("user_id")


class _Old(NamedTuple):
    """A hit that is deleted: its number, and, as ``ADDED`` has it, what it has added."""

    number: int
    added: Row

    @property
    def user(self) -> str:
        """Its user; empty where it has none."""
        return str(self.added[_USER] or "")


class HitRemoval:
    """Deletes hits; after each transaction the sums are what the hits that are left add up to."""

    def __init__(self, database: Database, budget: int = BUDGET) -> None:
        self._database = database
        self._budget = budget
        self._dialect = dialect = Dialect(database.engine.dialect.name)
        self.put_off = 0
        """How many hits were left for the next transaction, as too many of their users' others
        would have been gone through."""
        self._lock = AppLock(dialect)
        self._counts = HitCounts(dialect)
        self._users = UniqueUsers(dialect)
        self._erased = ErasedUsers(dialect)

    def remove(self, app_id: str, which: ColumnElement[bool], limit: int) -> int:
        """Delete the oldest hits of the app that are ``which``, at most ``limit``; return how many.

        0: there are none. It is one transaction: on SQLite nobody else can write before its end.
        """
        # Where there are none, the app's version stays, and with it what is cached for it.
        if not self._database.run(lambda session: _oldest(session.connection(), app_id, which, 1)):
            return 0
        return self._database.run(
            lambda session: self._remove(session.connection(), app_id, which, limit)
        )

    def keep_out(self, app_id: str, user_id: str, until: int) -> None:
        """Have hits of a user left out that were received ``until`` then and are yet to come."""

        def kept_out(session: Session) -> None:
            connection = session.connection()
            self._lock.take(connection, [app_id])
            self._erased.add(connection, app_id, user_id, until)

        self._database.run(kept_out)

    def _remove(
        self, connection: Connection, app_id: str, which: ColumnElement[bool], limit: int
    ) -> int:
        self._lock.take(connection, [app_id])
        old = _oldest(connection, app_id, which, limit)
        if not old:
            return 0
        left = DaysLeft(connection, self._dialect, app_id)
        days = _days_of(old)
        numbers = {hit.number for hit in old}
        still_open = left.open_among(days, numbers, Counter(hit.user for hit in old))
        if put_off := still_open.keys() - left.within(self._budget, still_open):
            going = [hit for hit in old if hit.user not in put_off]
            self.put_off += len(old) - len(going)
            old, days = going, _days_of(going)
            still_open = {user: still_open[user] for user in still_open.keys() - put_off}
        connection.execute(delete(HitRow).where(HitRow.number.in_([hit.number for hit in old])))
        self._counts.take_out(connection, HitSums.of(hit.added for hit in old))
        if gone := left.gone_of(days, still_open):
            self._users.remove(connection, gone)
            self._lock.count_removal(connection, app_id)
        return len(old)


def _days_of(hits: Iterable[_Old]) -> Set[Row]:
    return with_any_event(HitSums.of(hit.added for hit in hits).user_days)


def _oldest(
    connection: Connection, app_id: str, which: ColumnElement[bool], limit: int
) -> list[_Old]:
    columns = [getattr(HitRow, name) for name in ("number", *ADDED)]
    query = select(*columns).where(HitRow.app_id == app_id, which)
    rows = connection.execute(query.order_by(HitRow.at).limit(limit))
    return [_Old(number, tuple(added)) for number, *added in rows]
