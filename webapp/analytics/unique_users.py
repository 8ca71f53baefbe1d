"""How many users there were in a range of days, from few rows.

They are counted over all days of the range, exactly: a user of the range has just one day in it
before which they had none in it (``UniqueCount``). Those of several apps are added up, as an id of
a user is the app's own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, func, select, union_all
from sqlalchemy.orm import Session

from webapp.analytics.asked_apps import AskedApps
from webapp.analytics.days import Days
from webapp.storage.hit_tables import SPAN, DayCount, HitCount, UniqueCount

Summed: TypeAlias = type[HitCount] | type[DayCount] | type[UniqueCount]


def of_apps(table: Summed, asked: AskedApps) -> ColumnElement[bool]:
    """Return what holds for the rows of ``table`` that are about these apps."""
    return table.app_id == asked.ids[0] if len(asked.ids) == 1 else table.app_id.in_(asked.ids)


def in_range(table: Summed, asked: AskedApps, days: Days) -> tuple[ColumnElement[bool], ...]:
    """Return what holds for the rows of ``table`` that are about these apps and days."""
    return of_apps(table, asked), table.day.between(days.first, days.last)


def unique_users(
    session: Session, asked: AskedApps, days: Days, events: Iterable[str]
) -> dict[str, int]:
    """Return how many users each of ``events`` had in the range."""
    users = Counter(dict.fromkeys(events, 0))
    bounds = _bounds(session, asked, days)
    if bounds is None or not users:
        return users
    parts = [
        select(UniqueCount.event, func.sum(UniqueCount.users))
        .where(of_apps(UniqueCount, asked), UniqueCount.event.in_(list(users)), part)
        .group_by(UniqueCount.event)
        for part in _parts(*bounds)
    ]
    for event, number in session.execute(union_all(*parts)):
        users[event] += int(number)
    return users


def _bounds(session: Session, asked: AskedApps, days: Days) -> tuple[int, int] | None:
    """Return the first and the last day of the range that have hits."""
    where = in_range(DayCount, asked, days)
    first = session.scalar(select(func.min(DayCount.day)).where(*where))
    last = session.scalar(select(func.max(DayCount.day)).where(*where))
    return None if first is None or last is None else (first, last)


def _parts(first: int, last: int) -> Iterator[ColumnElement[bool]]:
    """Yield what tells the rows of the days in the range whose day before lies in front of it.

    Whole spans are taken as such. Days are named one by one, so that of each a database looks at
    these days before alone.
    """
    count = UniqueCount
    begin, end = -(-first // SPAN) * SPAN, (last + 1) // SPAN * SPAN
    whole = range(begin, end, SPAN)
    single = [*range(first, begin), *range(end, last + 1)] if whole else range(first, last + 1)
    cut = first // SPAN * SPAN
    before_spans = and_(count.before_span == SPAN, count.before_day < cut)
    before_days = and_(count.before_span == 1, count.before_day.between(cut, first - 1))
    for span, days in ((SPAN, whole), (1, single)):
        if days:
            of_days = and_(count.span == span, count.day.in_(list(days)))
            yield and_(of_days, before_spans)
            if cut < first:
                yield and_(of_days, before_days)
