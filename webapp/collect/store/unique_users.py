"""Who had which day, and what unique users are counted from: kept in step, by one statement.

``unique_count`` has, for each day of each user, a one in the row of that day and of the day that
they had before. With a new day, also one that came late, the next one's day before becomes another;
so it does where a day goes. Whoever writes here holds the app's row of ``hit_version``.
"""

import secrets
from collections.abc import Collection, Iterable
from itertools import product

from sqlalchemy import Connection, text

from webapp.collect.store.hit_sql import Dialect, Row
from webapp.storage.hit_tables import NEVER, SPAN

KEY = ("app_id", "event", "user_id", "day")
COUNT_KEY = ("app_id", "event", "span", "before_span", "day", "before_day")
SPANS = (1, SPAN)

_COUNTED = COUNT_KEY[:-1]

# What comes of each row twice comes by this: MariaDB would work out twice what is named twice.
_SIDES = "(SELECT 1 AS side UNION ALL SELECT 2) sides"

_SAME_USER = "u.app_id = t.app_id AND u.event = t.event AND u.user_id = t.user_id"
_IS_MARKED = "u.batch = :batch"

_GOING = -1
"""The mark of days that are about to go; those of batches are greater."""


class UniqueUsers:
    """The statements, in the words of one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        key = ", ".join(KEY)
        # The mark of a day that is there stays: by it the new ones are told.
        self._add_days = text(
            f"INSERT INTO user_day ({key}, batch) SELECT {key}, {_number(dialect, ':batch')}"
            f" FROM {dialect.rows(KEY)} WHERE true ORDER BY {key} {dialect.leave('user_day', KEY)}"
        )
        self._mark_days = text(dialect.put("user_day", KEY, "batch", _GOING))
        self._delete_days = text(dialect.delete("user_day", KEY, f"batch = {_GOING}"))
        self._count_in = text(_count(dialect, 1))
        self._count_out = text(_count(dialect, -1))
        self._delete_counts = text(dialect.delete("unique_count", _COUNTED, "users = 0"))

    def add(self, connection: Connection, keys: Collection[Row]) -> None:
        """Have ``keys`` be days, once for their events and once for any; count the new ones in."""
        for part in self._dialect.parts(KEY, list(keys)):
            # A mark of its own: days of one user may be in several parts.
            given = {"rows": part, "batch": secrets.randbits(63)}
            connection.execute(self._add_days, given)
            connection.execute(self._count_in, given)

    def remove(self, connection: Connection, keys: Collection[Row]) -> None:
        """Delete those of the days ``keys`` that are there, and count them out.

        No hit is left of them.
        """
        for part in self._dialect.parts(KEY, list(keys)):
            given = {"rows": part}
            connection.execute(self._mark_days, given)
            connection.execute(self._count_out, {**given, "batch": _GOING})
            connection.execute(self._delete_days, given)
        for part in self._dialect.parts(_COUNTED, list(set(_counted(keys)))):
            connection.execute(self._delete_counts, {"rows": part})


def _number(dialect: Dialect, parameter: str) -> str:
    # PostgreSQL takes what it knows no type of for text.
    return f"CAST({parameter} AS bigint)" if dialect.is_postgresql else parameter


def _counted(keys: Iterable[Row]) -> Iterable[Row]:
    """Return where in ``unique_count`` rows of ``keys`` may have come to nobody."""
    for app_id, event, _, day in keys:
        for span, before_span in product(SPANS, SPANS):
            yield app_id, event, span, before_span, int(day or 0) // span * span


def _count(dialect: Dialect, step: int) -> str:
    """Return the statement that counts those days of ``:rows`` that are marked in (1) or out (-1).

    ``touched`` are those, and the next one after each, whose day before becomes another.
    """
    unmarked = f" AND NOT ({_IS_MARKED})"
    marked = (
        f"SELECT u.app_id, u.event, u.user_id, u.day FROM {dialect.rows(KEY)} JOIN user_day u"
        f" ON {_SAME_USER.replace('t.', 'given.')} AND u.day = given.day WHERE {_IS_MARKED}"
    )
    touched = (
        "SELECT DISTINCT t.app_id, t.event, t.user_id, side = 1 AS is_marked,"
        f" CASE side WHEN 1 THEN t.day ELSE {_beside('>', unmarked)} END AS day"
        f" FROM ({marked}) t CROSS JOIN {_SIDES}"
    )
    moved = (
        "SELECT t.app_id, t.event, t.day, CASE side"
        f" WHEN 1 THEN COALESCE({_beside('<')}, {NEVER})"
        f" ELSE COALESCE({_beside('<', unmarked)}, {NEVER}) END AS before_day,"
        f" CASE side WHEN 1 THEN {step} ELSE {-step} END AS users"
        f" FROM ({touched}) t CROSS JOIN {_SIDES}"
        " WHERE t.day IS NOT NULL AND (side = 1 OR NOT is_marked)"
    )
    pair = "app_id, event, day, before_day"
    pairs = (
        f"SELECT {pair}, SUM(users) AS users FROM ({moved}) AS moved"
        f" GROUP BY {pair} HAVING SUM(users) <> 0"
    )
    key = ", ".join(COUNT_KEY)
    return (
        f"INSERT INTO unique_count ({key}, users) SELECT {key}, SUM(users)"
        f" FROM ({spread(pairs)}) AS spread GROUP BY {key} HAVING SUM(users) <> 0 ORDER BY {key}"
        f" {dialect.add('unique_count', COUNT_KEY, 'users')}"
    )


def spread(pairs: str) -> str:
    """Return the query for the four rows of ``unique_count`` that each pair of days counts in."""
    spans = " UNION ALL ".join(
        f"SELECT {span} AS span, {before_span} AS before_span"
        for span in SPANS
        for before_span in SPANS
    )
    # A span is a power of two: no sign for the rest of a division is one of every driver's too.
    return (
        "SELECT app_id, event, span, before_span, day - (day & (span - 1)) AS day,"
        f" CASE before_day WHEN {NEVER} THEN {NEVER}"
        " ELSE before_day - (before_day & (before_span - 1)) END AS before_day, users"
        f" FROM ({pairs}) AS pairs CROSS JOIN ({spans}) AS spans"
    )


def _beside(than: str, also: str = "") -> str:
    """Return the query for the day before (``<``), or after (``>``), that the user of ``t`` has."""
    order = "DESC" if than == "<" else "ASC"
    return (
        f"(SELECT u.day FROM user_day u WHERE {_SAME_USER} AND u.day {than} t.day{also}"
        f" ORDER BY u.day {order} LIMIT 1)"
    )
