"""One transaction: the rows of a batch, and what they add to the sums."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from webapp.collect.deletion.erased_users import ErasedUsers
from webapp.collect.policies import zone_called
from webapp.collect.store.app_lock import AppLock, AppState, Mark
from webapp.collect.store.derived import COLUMNS, Values
from webapp.collect.store.hit_sql import NEW, NEW_HERE, Dialect, Encoded, NewRows
from webapp.collect.store.hit_sums import ADDED, HitCounts, HitSums
from webapp.collect.store.known_days import KnownDays, Learned
from webapp.collect.store.unique_users import UniqueUsers

_APP = COLUMNS.index("app_id")

_added_of = itemgetter(*(COLUMNS.index(name) for name in ADDED))


class ZoneChanged(Exception):
    """The days of ``apps`` begin elsewhere than where the rows were made: nothing was written."""

    def __init__(self, apps: Sequence[str]) -> None:
        super().__init__(", ".join(apps))
        self.apps = apps


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one transaction, encoded and added up before it: on SQLite it holds up everybody.

    ``sums`` are right where none of the rows is there yet.
    """

    number: int
    """What tells its rows from those that others insert meanwhile."""
    size: int
    rows: Encoded
    sums: HitSums
    zones: Mapping[str, ZoneInfo]
    """In which one the rows of each app were made."""


class HitWriting:
    """The statements of the transaction, in the words of one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        self.known_days = KnownDays()
        self._users = UniqueUsers(dialect)
        self._hits = NewRows(dialect, "hit", [*COLUMNS, "batch"], ["app_id", "message_id"])
        self._lock = AppLock(dialect)
        self._erased = ErasedUsers(dialect)
        self._counts = HitCounts(dialect)
        self._last = text("SELECT MAX(number) FROM hit")
        self._mark = text(f"SELECT number FROM hit WHERE {NEW_HERE} ORDER BY number DESC LIMIT 1")
        self._new = text(f"SELECT {', '.join(ADDED)} FROM hit WHERE {NEW}")

    def batch_of(self, rows: Sequence[Values], zones: Mapping[str, ZoneInfo]) -> Batch:
        """Return ``rows`` ready to be written."""
        number = secrets.randbits(63)
        apps = {str(row[_APP]) for row in rows}
        return Batch(
            number=number,
            size=len(rows),
            rows=self._hits.encode([(*row, number) for row in rows]),
            sums=HitSums.of(map(_added_of, rows)),
            zones={app_id: zones[app_id] for app_id in apps},
        )

    def write(self, connection: Connection, batch: Batch) -> Learned:
        """Insert the rows that are not there yet, and count them; raises ``ZoneChanged``.

        Returns what ``known_days`` may learn when the transaction is committed.
        """
        self._lock.take(connection, batch.zones)
        states = self._lock.states(connection, batch.zones, self.known_days.mark)
        _require_zones(states, batch.zones)
        sums = self._inserted(connection, batch, states)
        self._counts.add(connection, sums)
        unknown = self.known_days.unknown(states, sums.user_days)
        if unknown:
            self._users.add(connection, [day for _, day in unknown])
        new = {"first": states[0].last_number + 1, "batch": batch.number}
        number = connection.scalar(self._mark, new)
        mark = Mark(number, batch.number) if number else self.known_days.mark
        return Learned(unknown, mark)

    def _inserted(
        self, connection: Connection, batch: Batch, states: Sequence[AppState]
    ) -> HitSums:
        """Insert the rows that are not there yet and may be; return what these add up to."""
        new = {"first": states[0].last_number + 1, "batch": batch.number}
        inserted = self._hits.insert(connection, batch.rows, new)
        if inserted == batch.size and not any(state.has_erased for state in states):
            return batch.sums
        new["last"] = connection.scalar(self._last) or 0
        self._erased.leave_out(connection, new)
        return HitSums.of(tuple(row) for row in connection.execute(self._new, new))


def _require_zones(states: Iterable[AppState], zones: Mapping[str, ZoneInfo]) -> None:
    changed = [
        state.app_id
        for state in states
        if state.time_zone is not None and zone_called(state.time_zone) != zones[state.app_id]
    ]
    if changed:
        raise ZoneChanged(changed)
