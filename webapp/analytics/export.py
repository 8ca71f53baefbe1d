"""Hits as lines, of CSV or of JSON: page by page, however many there are."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, cast

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from logger_lib import JsonObject, JsonValue
from webapp.analytics.asked_apps import AskedApp, Asker, find_apps
from webapp.analytics.days import DAY_MS, Days
from webapp.collect.moment import moment_text
from webapp.csv_text import csv_lines
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow

PAGE_HITS = 500
PAGE_BYTES = 262_144
"""What is read at a time, in hits and in bytes of what has no bound of its own; or one hit."""

SCANNED_HITS = 5_000
"""How many hits one transaction looks at, few of which may be asked for. SQLite reads for one
export at a time."""

COLUMNS = (
    "appId",
    "messageId",
    "event",
    "timestamp",
    "receivedAt",
    "userId",
    "sessionId",
    "url",
    "referrer",
    "device",
    "browser",
    "os",
    "ipAddress",
    "isBot",
    "metadata",
)

Conditions: TypeAlias = Sequence[ColumnElement[bool]]
Place: TypeAlias = tuple[int, int]
"""Where a hit stands among those of its app: by time, then by number."""

_BEFORE_ALL: Place = (-1, -1)
_AFTER_ALL: Place = (2**62, 2**62)


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"


CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/x-ndjson",
}


@dataclass(frozen=True, slots=True)
class Export:
    """Which hits are asked for, and as what."""

    wanted: Format
    events: tuple[str, ...]
    user_id: str | None
    days: Days
    with_bots: bool


def export_hits(database: Database, asker: Asker, export: Export) -> Iterator[bytes]:
    """Return the lines of the hits, app by app, oldest first, in pieces.

    Raises ``NotFound`` at once where the app is not the asker's. What comes in meanwhile may be
    among them or not.
    """
    apps = database.run(lambda session: find_apps(session, asker)).apps
    return _pieces(database, apps, export)


def _pieces(database: Database, apps: tuple[AskedApp, ...], export: Export) -> Iterator[bytes]:
    if export.wanted is Format.CSV:
        yield csv_lines([COLUMNS]).encode()
    for app in apps:
        for page in _pages(database, app.id, export):
            yield "".join(_lines(page, export.wanted)).encode()


def _lines(page: list[JsonObject], wanted: Format) -> Iterator[str]:
    if wanted is Format.CSV:
        yield csv_lines([_cell(hit[column]) for column in COLUMNS] for hit in page)
    else:
        yield from (json.dumps(hit) + "\n" for hit in page)


def _pages(database: Database, app_id: str, export: Export) -> Iterator[list[JsonObject]]:
    after = _BEFORE_ALL
    while after != _AFTER_ALL:
        page, after = _page(database, app_id, export, after)
        if page:
            yield page


def _page(
    database: Database, app_id: str, export: Export, after: Place
) -> tuple[list[JsonObject], Place]:
    """Return hits that follow ``after``, and the place up to which these are all."""

    def read(session: Session) -> tuple[list[JsonObject], Place]:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        indexed = [*_indexed(app_id, export, is_sqlite=is_sqlite), *_follows(after)]
        last = _last_of_page(session, export, indexed, _end_of_scan(session, export, indexed))
        query = select(HitRow).where(*indexed, *_chosen(export), *_until(last))
        return [_to_wire(row) for row in session.scalars(query.order_by(*_order(export)))], last

    return database.run(read)


def _end_of_scan(session: Session, export: Export, indexed: Conditions) -> Place:
    """Return the place of the last hit to be looked at, asked for or not; the index tells."""
    query = select(HitRow.at, HitRow.number).where(*indexed).order_by(*_order(export))
    found = session.execute(query.offset(SCANNED_HITS - 1).limit(1)).first()
    return _AFTER_ALL if found is None else (found.at, found.number)


def _last_of_page(session: Session, export: Export, indexed: Conditions, end: Place) -> Place:
    size: ColumnElement[int] = sum(
        (func.coalesce(func.length(text), 0) for text in (HitRow.url, HitRow.referrer)),
        func.coalesce(func.length(HitRow.details), 0),
    )
    query = (
        select(HitRow.at, HitRow.number, size)
        .where(*indexed, *_chosen(export), *_until(end))
        .order_by(*_order(export))
        .limit(PAGE_HITS)
    )
    last, total, hits = end, 0, 0
    for at, number, length in session.execute(query):
        total, hits = total + length, hits + 1
        if hits > 1 and total > PAGE_BYTES:
            return last
        last = (at, number)
    return last if hits == PAGE_HITS else end


def _indexed(app_id: str, export: Export, *, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    """Yield what an index finds; the time of a hit is in both."""
    days = export.days
    yield HitRow.app_id == app_id
    if export.user_id is not None:
        is_theirs = HitRow.user_id == export.user_id
        # Which SQLite takes for as likely as a range of days.
        yield func.unlikely(is_theirs) if is_sqlite else is_theirs
    # Somewhere it is another day than in UTC, for less than a day.
    yield HitRow.at >= (days.first - 1) * DAY_MS
    yield HitRow.at < (days.last + 2) * DAY_MS


def _follows(after: Place) -> Iterator[ColumnElement[bool]]:
    at, number = after
    # Written so that MariaDB sees a range of the index in it.
    yield HitRow.at >= at
    yield or_(HitRow.at > at, HitRow.number > number)


def _until(last: Place) -> Iterator[ColumnElement[bool]]:
    at, number = last
    yield HitRow.at <= at
    yield or_(HitRow.at < at, HitRow.number <= number)


def _order(export: Export) -> tuple[ColumnElement[int], ColumnElement[int]]:
    at, number = HitRow.at.expression, HitRow.number.expression
    # SQLite would take the index that has this order for the one that finds the user.
    return at, number if export.user_id is None else number + 0


def _chosen(export: Export) -> Iterator[ColumnElement[bool]]:
    """Yield what else holds for the hits asked for."""
    yield HitRow.day.between(export.days.first, export.days.last)
    if export.events:
        yield HitRow.event.in_(export.events)
    if not export.with_bots:
        yield HitRow.is_bot == 0


def _to_wire(row: HitRow) -> JsonObject:
    return {
        "appId": row.app_id,
        "messageId": row.message_id,
        "event": row.event,
        "timestamp": moment_text(row.at),
        "receivedAt": moment_text(row.received_at),
        "userId": row.user_id,
        "sessionId": row.session_id,
        "url": row.url,
        "referrer": row.referrer,
        "device": row.device,
        "browser": row.browser,
        "os": row.os,
        "ipAddress": row.ip_address,
        "isBot": bool(row.is_bot),
        "metadata": None if row.details is None else cast("JsonValue", json.loads(row.details)),
    }


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
