"""Hits in the order of time: by day or by hour, in the time zone of their app."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from logger_lib import JsonObject, JsonValue
from webapp.analytics.asked_apps import AskedApps
from webapp.analytics.days import Days, day_of
from webapp.analytics.unique_users import in_range
from webapp.collect.policies import zone_called
from webapp.errors import ValidationFailed
from webapp.storage.hit_tables import ANY_EVENT, SPAN, DayCount, HitCount, UniqueCount

MAX_POINTS = 15_000
"""Of all series of an answer."""

MAX_DAYS_BY_HOUR = 14
"""A range of days by hour reads a hundred times as many rows as by day."""


MAX_NAMED = 1_000
"""Of events in a query."""


class Interval(StrEnum):
    """How much time a point stands for."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What a point counts: a day, or an hour of it."""

    day: int
    hour: int | None

    def to_wire(self) -> str:
        """Return when it begins, in the time zone of the app."""
        day = day_of(self.day).isoformat()
        return day if self.hour is None else f"{day}T{self.hour:02}:00"


_Counts: TypeAlias = dict[tuple[str, _Bucket], int]


@dataclass(frozen=True, slots=True)
class Timeseries:
    """How often some events came, day by day or hour by hour; none named: all, as one series.

    Without a first day it begins with the first one that has a hit, and likewise at the end.
    """

    interval: Interval
    events: tuple[str, ...]
    days: Days
    with_bots: bool

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer; raises ``ValidationFailed`` where it would have too many points."""
        days = self._bounded(session, asked)
        hits: _Counts = {}
        bots: _Counts = {}
        users: _Counts = {}
        buckets: list[_Bucket] = []
        if days is not None:
            self._count(session, asked, days, hits, hits if self.with_bots else bots)
            users = {} if self.with_bots else self._users(session, asked, days)
            buckets = list(self._buckets(days, asked.time_zone))
        series: list[JsonValue] = [
            {
                "event": event or None,
                "points": [self._point(event, bucket, hits, users) for bucket in buckets],
            }
            for event in self._names
        ]
        return {
            "interval": str(self.interval),
            "timeZone": asked.time_zone,
            "series": series,
            "excludedBots": sum(bots.values()),
            **self.days.to_wire(),
        }

    @property
    def _names(self) -> tuple[str, ...]:
        return self.events or (ANY_EVENT,)

    @property
    def _by_hour(self) -> bool:
        return self.interval is Interval.HOUR

    def _bounded(self, session: Session, asked: AskedApps) -> Days | None:
        """Return the range with both of its ends; None where there is nothing in it."""
        days = self.days
        if days.start is None or days.end is None:
            query = select(func.min(DayCount.day), func.max(DayCount.day)).where(
                *in_range(DayCount, asked, days)
            )
            if self.events:
                query = query.where(DayCount.event.in_(self.events))
            found: tuple[int | None, int | None] = session.execute(query).one()._tuple()
            first, last = found
            if first is None or last is None:
                return None
            days = Days(days.start or day_of(first), days.end or day_of(last))
        self._require_few(days.last - days.first + 1)
        return days

    def _require_few(self, days: int) -> None:
        if self._by_hour and days > MAX_DAYS_BY_HOUR:
            raise _too_many(f"By hour it may have {MAX_DAYS_BY_HOUR} days, and has {days}.")
        points = days * len(self._names) * (24 if self._by_hour else 1)
        if points > MAX_POINTS:
            raise _too_many(f"All series may have {MAX_POINTS} points, and have {points}.")

    def _count(
        self, session: Session, asked: AskedApps, days: Days, hits: _Counts, bots: _Counts
    ) -> None:
        """Add what is found to ``hits`` and, where bots have sent it, to ``bots``."""
        table = HitCount if self._by_hour else DayCount
        named = [table.event] if self.events else []
        hours = [HitCount.hour] if self._by_hour else []
        keys = [*named, *hours, table.day, table.is_bot]
        of_events: list[ColumnElement[bool]] = []
        if self.events:
            of_events = [table.event.in_(self.events)]
        elif hours:
            of_events = [table.event.in_(self._events_of(session, asked, days))]
        query = (
            select(*keys, func.sum(table.hits))
            .where(*in_range(table, asked, days), *of_events)
            .group_by(*keys)
        )
        for *head, day, is_bot, number in session.execute(query):
            bucket = _Bucket(day, head.pop() if hours else None)
            counts = bots if is_bot else hits
            key = (head[0] if head else ANY_EVENT), bucket
            counts[key] = counts.get(key, 0) + int(number)

    def _events_of(
        self, session: Session, asked: AskedApps, days: Days
    ) -> Sequence[str] | Select[str]:
        """Return the events of these days; the question for them, where they are too many to name.

        Their hours are found event by event, as the key of the table has it, where the events are
        named: MariaDB would go through those of all days.
        """
        query = select(DayCount.event).where(*in_range(DayCount, asked, days)).distinct()
        found = session.scalars(query.limit(MAX_NAMED + 1)).all()
        return found if len(found) <= MAX_NAMED else query

    def _users(self, session: Session, asked: AskedApps, days: Days) -> _Counts:
        if self._by_hour:
            return {}
        query = (
            select(UniqueCount.event, UniqueCount.day, func.sum(UniqueCount.users))
            .where(
                *in_range(UniqueCount, asked, days),
                UniqueCount.event.in_(self._names),
                UniqueCount.span == 1,
                UniqueCount.before_span == SPAN,
            )
            .group_by(UniqueCount.event, UniqueCount.day)
        )
        return {
            (event, _Bucket(day, None)): int(users) for event, day, users in session.execute(query)
        }

    def _buckets(self, days: Days, time_zone: str | None) -> Iterator[_Bucket]:
        for day in range(days.first, days.last + 1):
            if not self._by_hour:
                yield _Bucket(day, None)
                continue
            for hour in range(24):
                if time_zone is None or _is_there(day, hour, zone_called(time_zone)):
                    yield _Bucket(day, hour)

    def _point(self, event: str, bucket: _Bucket, hits: _Counts, users: _Counts) -> JsonObject:
        point: JsonObject = {"at": bucket.to_wire(), "count": hits.get((event, bucket), 0)}
        if not self._by_hour:
            found = None if self.with_bots else users.get((event, bucket), 0)
            point["uniqueUsers"] = found
        return point


def _is_there(day: int, hour: int, zone: ZoneInfo) -> bool:
    """Say whether clocks of ``zone`` show that hour on that day: in spring they leave one out."""
    shown = datetime.combine(day_of(day), datetime.min.time().replace(hour=hour), zone)
    there = shown.astimezone(UTC).astimezone(zone)
    return (there.date(), there.hour) == (shown.date(), hour)


def _too_many(problem: str) -> ValidationFailed:
    return ValidationFailed(
        "this would be too many points: ask for fewer days, events, or by day",
        {"startDate": [problem]},
    )
