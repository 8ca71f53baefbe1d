"""What is counted, beside what a plain count over the hits themselves says."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.analytics import unique_users as analytics
from webapp.analytics.asked_apps import AskedApp, AskedApps
from webapp.analytics.days import Days, day_of
from webapp.collect.hit import Hit
from webapp.storage.database import Database
from webapp.storage.hit_tables import (
    ANY_EVENT,
    NEVER,
    SPAN,
    DayCount,
    HitCount,
    HitRow,
    UniqueCount,
    UserDay,
)

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2
"""Of the 4th of October 2024, in ms since 1970."""


def a_hit(app_id: str, message_id: str, **also: str | int | None) -> Hit:
    """Return a hit of noon, but for what is said of it."""
    known: dict[str, str | int | None] = {"event": "page.view", "at": NOON, "received_at": NOON}
    return Hit(app_id=app_id, message_id=message_id, **(known | also))  # type: ignore[arg-type] # by name


def require_in_step(database: Database, app_id: str) -> None:
    """Fail where a sum of the app is not what its hits add up to."""
    counted = database.run(lambda session: _counted(session, app_id))
    recounted = database.run(lambda session: _recounted(session, app_id))
    for name, rows in recounted.items():
        assert counted[name] == rows, name


def unique_users(database: Database, app_id: str, event: str, first: int, last: int) -> int:
    """Return how many users had a day from ``first`` to ``last``, from the sums."""
    asked = AskedApps((AskedApp(app_id, "UTC", 1),))
    days = Days(day_of(first), day_of(last))
    return database.run(
        lambda session: analytics.unique_users(session, asked, days, [event])[event]
    )


def distinct_users(database: Database, app_id: str, event: str, first: int, last: int) -> int:
    """Return the same, by counting them."""
    query = select(func.count(HitRow.user_id.distinct())).where(
        HitRow.app_id == app_id,
        HitRow.day.between(first, last),
        HitRow.is_bot == 0,
        *([HitRow.event == event] if event != ANY_EVENT else []),
    )
    return int(database.run(lambda session: session.scalar(query)) or 0)


def hits_of(database: Database, app_id: str) -> int:
    """Return how many hits of the app are stored."""
    query = select(func.count()).select_from(HitRow).where(HitRow.app_id == app_id)
    return database.run(lambda session: session.scalar(query)) or 0


_Sums = dict[str, Counter[tuple[str | int, ...]]]


def _counted(session: Session, app_id: str) -> _Sums:
    hour, day, unique, user = HitCount, DayCount, UniqueCount, UserDay
    hours = select(hour.event, hour.day, hour.hour, hour.device, hour.is_bot, hour.hits)
    days = select(day.day, day.event, day.is_bot, day.hits).where(day.app_id == app_id)
    key = unique.event, unique.span, unique.before_span, unique.day, unique.before_day
    steps = select(*key, unique.users)
    user_days = select(user.event, user.user_id, user.day).where(user.app_id == app_id)
    hours, steps = hours.where(hour.app_id == app_id), steps.where(unique.app_id == app_id)
    return {
        "hit_count": Counter(
            {(a, b, c, d, e): hits for a, b, c, d, e, hits in session.execute(hours)}
        ),
        "day_count": Counter({(a, b, c): hits for a, b, c, hits in session.execute(days)}),
        # A row of nobody is no row: its users have another day before by now.
        "unique_count": Counter(
            {(a, b, c, d, e): n for a, b, c, d, e, n in session.execute(steps) if n}
        ),
        "user_day": Counter(dict.fromkeys(session.execute(user_days), 1)),
    }


def _recounted(session: Session, app_id: str) -> _Sums:
    hits = list(session.scalars(select(HitRow).where(HitRow.app_id == app_id)))
    days = Counter(set(_user_days(hits)))
    return {
        "hit_count": Counter((h.event, h.day, h.hour, h.device, h.is_bot) for h in hits),
        "day_count": Counter((h.day, h.event, h.is_bot) for h in hits),
        "user_day": days,
        "unique_count": Counter(_steps(days)),
    }


def _user_days(hits: Iterable[HitRow]) -> Iterator[tuple[str | int, ...]]:
    for hit in hits:
        if hit.user_id is not None and not hit.is_bot:
            yield hit.event, hit.user_id, hit.day
            yield ANY_EVENT, hit.user_id, hit.day


def _steps(days: Iterable[tuple[str | int, ...]]) -> Iterator[tuple[str | int, ...]]:
    last: dict[tuple[str | int, ...], int] = {}
    for event, user_id, day in sorted(days, key=lambda each: int(each[2])):
        before = last.get((event, user_id), NEVER)
        for span, before_span in product((1, SPAN), (1, SPAN)):
            # What is before all days is before all spans.
            cut = before if before == NEVER else before // before_span * before_span
            yield event, span, before_span, int(day) // span * span, cut
        last[event, user_id] = int(day)
