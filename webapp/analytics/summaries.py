"""The questions about the hits of some apps, each with the SQL that answers it.

Where bots are counted too, unique users are not told: bots are none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, defer

from logger_lib import JsonObject, JsonValue
from webapp.analytics.asked_apps import AskedApps
from webapp.analytics.days import Days
from webapp.analytics.unique_users import in_range, unique_users
from webapp.collect.moment import moment_text
from webapp.errors import NotFound
from webapp.storage.hit_tables import DayCount, HitCount, HitRow

DEVICES = ("mobile", "desktop", "tablet", "other")
MAX_RECENT = 10


@dataclass(frozen=True, slots=True)
class EventSummary:
    """How often an event came, from how many users, by what kind of device."""

    event: str
    days: Days
    with_bots: bool

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer; an event that never came has zeros."""
        query = (
            select(HitCount.device, HitCount.is_bot, func.sum(HitCount.hits))
            .where(*in_range(HitCount, asked, self.days), HitCount.event == self.event)
            .group_by(HitCount.device, HitCount.is_bot)
        )
        by_device, bots = dict.fromkeys(DEVICES, 0), 0
        for device, is_bot, hits in session.execute(query):
            if is_bot and not self.with_bots:
                bots += int(hits)
            else:
                by_device[device] += int(hits)
        return {
            "event": self.event,
            "count": sum(by_device.values()),
            "uniqueUsers": None if self.with_bots else self._users(session, asked),
            "deviceData": {**by_device},
            "excludedBots": bots,
            **self.days.to_wire(),
        }

    def _users(self, session: Session, asked: AskedApps) -> int:
        return unique_users(session, asked, self.days, [self.event])[self.event]


@dataclass(frozen=True, slots=True)
class TopEvents:
    """The events that came most often."""

    limit: int
    days: Days
    with_bots: bool

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer, the most frequent event first."""
        of_bots = func.sum(case((DayCount.is_bot == 1, DayCount.hits), else_=0))
        counted = func.sum(DayCount.hits) if self.with_bots else func.sum(DayCount.hits) - of_bots
        query = (
            select(DayCount.event, counted)
            .where(*in_range(DayCount, asked, self.days))
            .group_by(DayCount.event)
            .having(counted > 0)
            .order_by(counted.desc(), DayCount.event)
            .limit(self.limit)
        )
        top = {event: int(hits) for event, hits in session.execute(query)}
        bots = select(of_bots).where(*in_range(DayCount, asked, self.days))
        users = {} if self.with_bots else unique_users(session, asked, self.days, top)
        events: list[JsonValue] = [
            {"event": event, "count": hits, "uniqueUsers": users.get(event)}
            for event, hits in top.items()
        ]
        return {
            "events": events,
            "excludedBots": 0 if self.with_bots else int(session.scalar(bots) or 0),
            **self.days.to_wire(),
        }


@dataclass(frozen=True, slots=True)
class UserStats:
    """What one user did, and with what; their address is that of their last hit."""

    user_id: str
    with_bots: bool

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer; raises ``NotFound`` where there is no hit of that user."""
        found = self._counted(session, asked)
        if not found:
            raise NotFound(f"There is no hit of a user {self.user_id!r} in what you may read.")
        counted = [each for each in found if self.with_bots or not each.is_bot]
        recent = self._recent(session, {each.app_id for each in counted})
        newest = recent[0] if recent else None
        return {
            "userId": self.user_id,
            "totalEvents": sum(each.hits for each in counted),
            "deviceDetails": {
                "browser": newest.browser if newest else None,
                "os": newest.os if newest else None,
            },
            "ipAddress": newest.ip_address if newest else None,
            "firstEvent": moment_text(min(each.first for each in counted)) if counted else None,
            "lastEvent": moment_text(max(each.last for each in counted)) if counted else None,
            "recentEvents": [_recent_to_wire(row) for row in recent],
            "excludedBots": sum(each.hits for each in found) - sum(each.hits for each in counted),
        }

    def _counted(self, session: Session, asked: AskedApps) -> list["_Counted"]:
        query = (
            select(
                HitRow.app_id, HitRow.is_bot, func.count(), func.min(HitRow.at), func.max(HitRow.at)
            )
            .where(HitRow.app_id.in_(asked.ids), HitRow.user_id == self.user_id)
            .group_by(HitRow.app_id, HitRow.is_bot)
        )
        return [_Counted(*row) for row in session.execute(query)]

    def _recent(self, session: Session, app_ids: Iterable[str]) -> Sequence[HitRow]:
        query = (
            select(HitRow)
            .options(defer(HitRow.details))
            .where(HitRow.app_id.in_(sorted(app_ids)), HitRow.user_id == self.user_id)
            .order_by(HitRow.at.desc())
            .limit(MAX_RECENT)
        )
        return session.scalars(query if self.with_bots else query.where(HitRow.is_bot == 0)).all()


@dataclass(frozen=True, slots=True)
class _Counted:
    """The hits of a user in an app, those of bots apart."""

    app_id: str
    is_bot: int
    hits: int
    first: int
    last: int


def _recent_to_wire(row: HitRow) -> JsonObject:
    return {
        "appId": row.app_id,
        "messageId": row.message_id,
        "event": row.event,
        "timestamp": moment_text(row.at),
        "url": row.url,
        "referrer": row.referrer,
        "device": row.device,
        "browser": row.browser,
        "os": row.os,
        "sessionId": row.session_id,
    }
