"""What hits fall into: by kind of device, browser, system, page or referrer; and their sum.

Kinds of device are added up as hits are written, and told of any range. The rest stands in the hits
alone: the newest ones of the range are looked at, and it is said whether these are all.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from logger_lib import JsonObject, JsonValue
from webapp.analytics.asked_apps import AskedApp, AskedApps
from webapp.analytics.days import LAST_DAY, Days, day_of
from webapp.analytics.unique_users import in_range, unique_users
from webapp.collect.policies import zone_called
from webapp.storage.hit_tables import ANY_EVENT, DayCount, HitCount, HitRow

MAX_HITS = 50_000
"""How many hits an answer looks at, of all apps that it is about."""

_MAX_VALUES = 1_000
"""Of an app; where several are asked for, rarer ones are not added up."""

_MAX_TEXT = 500
"""Characters of an address that tell it from others."""


class By(StrEnum):
    """What hits are told apart by."""

    DEVICE = "device"
    BROWSER = "browser"
    OS = "os"
    PAGE = "page"
    REFERRER = "referrer"


@dataclass(frozen=True, slots=True)
class Overview:
    """How many hits there were, and from how many users: of one event, or of all together."""

    event: str | None
    days: Days
    with_bots: bool

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer; where nothing came it has zeros."""
        query = (
            select(DayCount.is_bot, func.sum(DayCount.hits))
            .where(*in_range(DayCount, asked, self.days))
            .group_by(DayCount.is_bot)
        )
        if self.event is not None:
            query = query.where(DayCount.event == self.event)
        hits = {bool(is_bot): int(number) for is_bot, number in session.execute(query)}
        of_people, of_bots = hits.get(False, 0), hits.get(True, 0)
        return {
            "event": self.event,
            "count": of_people + (of_bots if self.with_bots else 0),
            "uniqueUsers": None if self.with_bots else self._users(session, asked),
            "excludedBots": 0 if self.with_bots else of_bots,
            **self.days.to_wire(),
        }

    def _users(self, session: Session, asked: AskedApps) -> int:
        event = ANY_EVENT if self.event is None else self.event
        return unique_users(session, asked, self.days, [event])[event]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The values that came most often."""

    by: By
    limit: int
    event: str | None
    days: Days
    with_bots: bool
    most_hits: int = MAX_HITS

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer, the most frequent value first; hits without one have null."""
        found: Counter[str | None] = Counter()
        counted, is_complete = 0, True
        if self.by is By.DEVICE:
            found.update(self._devices(session, asked))
            counted = found.total()
        else:
            limit = max(1, self.most_hits // max(1, len(asked.apps)))
            for app in asked.apps:
                counted += self._add(session, app, limit, found)
                is_complete = is_complete and not self._are_more(session, app, limit)
        values: list[JsonValue] = [
            {"value": value, "count": hits}
            for value, hits in sorted(found.items(), key=_most_first)[: self.limit]
        ]
        return {
            "by": str(self.by),
            "event": self.event,
            "values": values,
            "counted": counted,
            "isComplete": is_complete,
            **self.days.to_wire(),
        }

    def _devices(self, session: Session, asked: AskedApps) -> dict[str | None, int]:
        query = (
            select(HitCount.device, func.sum(HitCount.hits))
            .where(*in_range(HitCount, asked, self.days))
            .group_by(HitCount.device)
        )
        if self.event is not None:
            query = query.where(HitCount.event == self.event)
        if not self.with_bots:
            query = query.where(HitCount.is_bot == 0)
        return {device: int(hits) for device, hits in session.execute(query)}

    def _add(self, session: Session, app: AskedApp, limit: int, found: Counter[str | None]) -> int:
        """Add what the app's newest hits have to ``found``; return how many are counted."""
        value = _value(self.by, session.get_bind().dialect.name).label("value")
        looked_at = (
            self._newest(app)
            .with_only_columns(value, HitRow.day, HitRow.event, HitRow.is_bot)
            .limit(limit)
            .subquery()
        )
        columns = looked_at.c
        query = (
            select(columns.value, func.count(), func.sum(func.count()).over())
            .where(columns.day.between(self.days.first, self.days.last))
            .group_by(columns.value)
            .order_by(func.count().desc(), columns.value)
            .limit(_MAX_VALUES)
        )
        if self.event is not None:
            query = query.where(columns.event == self.event)
        if not self.with_bots:
            query = query.where(columns.is_bot == 0)
        total = 0
        for text, hits, all_hits in session.execute(query):
            found[text] += int(hits)
            total = int(all_hits)
        return total

    def _are_more(self, session: Session, app: AskedApp, limit: int) -> bool:
        """Say whether the range has hits that were not looked at; the index tells."""
        query = self._newest(app).with_only_columns(HitRow.number)
        return session.execute(query.offset(limit).limit(1)).first() is not None

    def _newest(self, app: AskedApp) -> Select[int]:
        """Return the hits of the range, newest first, as the index by time has them."""
        query = select(HitRow.number).where(HitRow.app_id == app.id, *_times(app, self.days))
        return query.order_by(HitRow.at.desc(), HitRow.number.desc())


def _most_first(item: tuple[str | None, int]) -> tuple[int, str]:
    value, hits = item
    return -hits, value or ""


def _times(app: AskedApp, days: Days) -> Iterator[ColumnElement[bool]]:
    """Yield what holds for the time of a hit on these days, as the app's zone has them."""
    if days.first > 0:
        yield HitRow.at >= _midnight(app, days.first)
    if days.last < LAST_DAY - 1:
        yield HitRow.at < _midnight(app, days.last + 1)


def _midnight(app: AskedApp, day: int) -> int:
    """Return when the day begins, in ms since 1970."""
    begins = datetime.combine(day_of(day), time.min, zone_called(app.time_zone))
    return int(begins.timestamp() * 1000)


def _value(by: By, dialect: str) -> ColumnElement[str | None]:
    if by is By.BROWSER:
        return HitRow.browser.expression
    if by is By.OS:
        return HitRow.os.expression
    cut = _Cut(dialect)
    if by is By.PAGE:
        return cut.page(HitRow.url)
    return cut.host(HitRow.referrer)


class _Cut:
    """Parts of addresses, in the words of a database."""

    def __init__(self, dialect: str) -> None:
        self._find = func.strpos if dialect == "postgresql" else func.instr

    def page(self, address: InstrumentedAttribute[str | None]) -> ColumnElement[str | None]:
        """Return the host and the path: pages that differ by a query are one."""
        start = func.substr(address, 1, _MAX_TEXT)
        bare = self._until(self._until(self._behind(start, "://"), "?"), "#")
        return func.nullif(bare, "")

    def host(self, address: InstrumentedAttribute[str | None]) -> ColumnElement[str | None]:
        """Return the host alone."""
        return func.nullif(self._until(self.page(address), "/"), "")

    def _until(self, text: ColumnElement[str | None], mark: str) -> ColumnElement[str | None]:
        at = self._find(text, mark)
        return case((at > 0, func.substr(text, 1, at - 1)), else_=text)

    def _behind(self, text: ColumnElement[str | None], mark: str) -> ColumnElement[str | None]:
        at = self._find(text, mark)
        return case((at > 0, func.substr(text, at + len(mark))), else_=text)
