"""What hits add up to. It is added up here: of many hits few rows come, for the database to add."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from sqlalchemy import Connection, text

from webapp.collect.store.hit_sql import Dialect, Row

HIT_COUNT = ("app_id", "event", "day", "hour", "device", "is_bot")
DAY_COUNT = ("app_id", "day", "event", "is_bot")

ADDED = (*HIT_COUNT, "user_id")
"""What of a hit is added up, in the order in which ``HitSums.of`` takes it."""

_hit_count_of = itemgetter(slice(len(HIT_COUNT)))


@dataclass(frozen=True, slots=True)
class HitSums:
    """How many hits there are by hour and by day, and which days their users had."""

    hits: Mapping[Row, int]
    """By ``HIT_COUNT``."""
    days: Mapping[Row, int]
    """By ``DAY_COUNT``."""
    user_days: frozenset[Row]
    """App, event, user and day of the hits that have a user who is no bot."""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "HitSums":
        """Return the sums of ``rows``, which have the values of ``ADDED``."""
        rows = list(rows)
        hits: Counter[Row] = Counter(map(_hit_count_of, rows))
        days: Counter[Row] = Counter()
        for (app_id, event, day, _, _, is_bot), number in hits.items():
            days[app_id, day, event, is_bot] += number
        user_days = frozenset(
            (app_id, event, user_id, day)
            for app_id, event, day, _, _, is_bot, user_id in rows
            if user_id is not None and not is_bot
        )
        return cls(hits, days, user_days)


class HitCounts:
    """The tables that say how many hits there are."""

    def __init__(self, dialect: Dialect) -> None:
        self._hits = _Count(dialect, "hit_count", HIT_COUNT)
        self._days = _Count(dialect, "day_count", DAY_COUNT)

    def add(self, connection: Connection, sums: HitSums) -> None:
        """Count the hits of ``sums`` in."""
        self._hits.add(connection, sums.hits, 1)
        self._days.add(connection, sums.days, 1)

    def take_out(self, connection: Connection, sums: HitSums) -> None:
        """Count them out, and delete what is of none any more."""
        self._hits.take_out(connection, sums.hits)
        self._days.take_out(connection, sums.days)


class _Count:
    """One of them."""

    def __init__(self, dialect: Dialect, table: str, key: Sequence[str]) -> None:
        self._dialect = dialect
        self._columns = (*key, "hits")
        self._key = key
        names, order = ", ".join(self._columns), ", ".join(key)
        self._add = text(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {dialect.rows(self._columns)}"
            f" WHERE true ORDER BY {order} {dialect.add(table, key, 'hits')}"
        )
        self._delete = text(dialect.delete(table, key, "hits = 0"))

    def add(self, connection: Connection, numbers: Mapping[Row, int], sign: int) -> None:
        rows = [(*key, sign * hits) for key, hits in numbers.items()]
        for part in self._dialect.parts(self._columns, rows):
            connection.execute(self._add, {"rows": part})

    def take_out(self, connection: Connection, numbers: Mapping[Row, int]) -> None:
        self.add(connection, numbers, -1)
        for part in self._dialect.parts(self._key, list(numbers)):
            connection.execute(self._delete, {"rows": part})
