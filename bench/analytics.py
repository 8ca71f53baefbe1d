"""How long a question about ten million hits takes, and whether its answer is right.

``python -m bench.analytics`` fills SQLite (``--url``: MariaDB or PostgreSQL, an empty database)
with hits of 90 days, and asks Herald over HTTP. Before each call the version of the hits goes up,
as it does when another one is written, so that no answer comes from the cache.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import Connection, Index, insert, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from bench.contenders import HERALD, Server
from logger_lib import JsonObject, inline
from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.tokens import KeySigner
from webapp.collect.store.derived import COLUMNS, Values
from webapp.collect.store.hit_sql import Dialect
from webapp.collect.store.unique_users import COUNT_KEY, spread
from webapp.storage.database import Database
from webapp.storage.engines import migration_engine
from webapp.storage.hit_tables import ANY_EVENT, NEVER, HitRow

HITS = 10_000_000
BATCH = 20_000
TIMES = 9
BOUND_MS = 100.0
DAYS = 90
FIRST_DAY = date(2026, 7, 1)
USERS = 200_000
EVENTS = tuple(f"event_{number:02}" for number in range(20))
APP = "analytics bench"
DAY_MS = 86_400_000

_DEVICES = ("mobile",) * 55 + ("desktop",) * 35 + ("tablet",) * 8 + ("other",) * 2
_BROWSERS = (("Firefox", "Linux"), ("Chrome", "Windows"), ("Mobile Safari", "iOS"))


@dataclass(frozen=True, slots=True)
class Timing:
    """What a question took, in ms: the median and the slowest of ``TIMES`` calls."""

    name: str
    median_ms: float
    worst_ms: float
    answer: JsonObject


class Sample:
    """Hits in the order of time, at even intervals; the same ones at every run.

    Early users and events come more often than late ones. Each 33rd hit is a bot's, each 20th has
    no user.
    """

    def __init__(self, app_id: str, count: int, days: int) -> None:
        self._app_id = app_id
        self._count = count
        self._days = days
        self._random = random.Random(7)  # noqa: S311  no secret

    def batches(self) -> Iterator[list[Values]]:
        """Yield the rows, in the order of ``COLUMNS``."""
        numbers = iter(range(self._count))
        while batch := list(islice(numbers, BATCH)):
            yield [self._row(number) for number in batch]

    def _row(self, number: int) -> Values:
        first = (FIRST_DAY - date(1970, 1, 1)).days * DAY_MS
        at = first + number * self._days * DAY_MS // self._count
        draw = self._random.random
        browser, system = _BROWSERS[number % 3]
        return (
            self._app_id,
            f"{number:016x}",
            EVENTS[int(draw() ** 2 * len(EVENTS))],
            at,
            at,
            at // DAY_MS,
            at % DAY_MS // 3_600_000,
            "https://shop.example/products/1",
            None,
            _DEVICES[int(draw() * 100)],
            browser,
            system,
            "192.0.2.0",
            f"user-{int(draw() ** 1.5 * USERS)}" if number % 20 else None,
            None,
            int(number % 33 == 0),
            '{"plan":"free"}',
        )


def fill(engine: Engine, sample: Sample) -> None:
    """Insert ``sample`` and sum it up, as ``HitStore`` would have done, in few statements."""
    by_user = _index("ix_hit_user_id")
    with _hurried(engine) as connection:
        by_user.drop(connection)
    for batch in sample.batches():
        with _hurried(engine) as connection:
            _insert(connection, batch)
    for statement in _sums():
        with _hurried(engine) as connection:
            connection.execute(text(statement))
    with _hurried(engine) as connection:
        by_user.create(connection)
    _analyze(engine)


def _index(name: str) -> Index:
    return next(index for index in HitRow.metadata.tables["hit"].indexes if index.name == name)


@contextmanager
def _hurried(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # What breaks off is begun again.
            connection.exec_driver_sql("PRAGMA synchronous = OFF")
            connection.exec_driver_sql("PRAGMA cache_size = -1000000")
        yield connection
        connection.commit()


def _insert(connection: Connection, batch: list[Values]) -> None:
    if connection.dialect.name == "postgresql":
        # Its driver sends a statement a row.
        dialect, columns = Dialect("postgresql"), ", ".join(COLUMNS)
        statement = f"INSERT INTO hit ({columns}, batch) SELECT {columns}, 0 FROM"
        rows = {"rows": dialect.encode(COLUMNS, batch)}
        connection.execute(text(f"{statement} {dialect.rows(COLUMNS)}"), rows)
        return
    given = [dict(zip((*COLUMNS, "batch"), (*row, 0), strict=True)) for row in batch]
    connection.execute(insert(HitRow), given)


def _sums() -> Iterator[str]:
    """Yield the statements that make the sums from the hits, each from those before."""
    yield _summed("hit_count", "app_id, event, day, hour, device, is_bot", "COUNT(*)", "hit")
    yield _summed("day_count", "app_id, day, event, is_bot", "SUM(hits)", "hit_count")
    for event in ("event", f"'{ANY_EVENT}'"):
        yield (
            "INSERT INTO user_day (app_id, event, user_id, day, batch)"  # noqa: S608
            f" SELECT app_id, {event}, user_id, day, 0 FROM hit"
            " WHERE is_bot = 0 AND user_id IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
    before = f"COALESCE(LAG(day) OVER (PARTITION BY app_id, event, user_id ORDER BY day), {NEVER})"
    days = f"SELECT app_id, event, day, {before} AS before_day FROM user_day"  # noqa: S608
    pair = "app_id, event, day, before_day"
    pairs = f"SELECT {pair}, COUNT(*) AS users FROM ({days}) AS days GROUP BY {pair}"  # noqa: S608
    yield _summed("unique_count", ", ".join(COUNT_KEY), "SUM(users)", f"({spread(pairs)}) AS t")
    yield (
        "INSERT INTO hit_version (app_id, version, removals)"
        " SELECT DISTINCT app_id, 1, 0 FROM day_count"
    )


def _summed(table: str, key: str, number: str, source: str) -> str:
    name = "users" if table == "unique_count" else "hits"
    select = f"SELECT {key}, {number} FROM {source} GROUP BY {key}"  # noqa: S608
    return f"INSERT INTO {table} ({key}, {name}) {select}"


def _analyze(engine: Engine) -> None:
    """Have the database know its tables, as it does by itself after a while."""
    name = engine.dialect.name
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
        elif name == "mysql":
            connection.exec_driver_sql("ANALYZE TABLE hit, hit_count, day_count, unique_count")


def questions(days: int = DAYS) -> dict[str, str]:
    """Return what is asked, by what it is called in the table."""
    last = FIRST_DAY + timedelta(days=days - 1)
    whole = {"startDate": FIRST_DAY.isoformat(), "endDate": last.isoformat()}
    week = {**whole, "startDate": (last - timedelta(days=6)).isoformat()}
    later = {**whole, "startDate": (FIRST_DAY + timedelta(days=days // 2)).isoformat()}
    fortnight = {**whole, "startDate": (last - timedelta(days=13)).isoformat()}
    asked: dict[str, tuple[str, dict[str, str]]] = {
        "event-summary, the most frequent event": ("event-summary", {"event": EVENTS[0]}),
        f"event-summary, {days} days": ("event-summary", {"event": EVENTS[5], **whole}),
        "event-summary, 7 days": ("event-summary", {"event": EVENTS[5], **week}),
        "user-stats, the most active user": ("user-stats", {"userId": "user-0"}),
        "user-stats, another user": ("user-stats", {"userId": f"user-{USERS // 3}"}),
        "timeseries by day, one event": (
            "timeseries",
            {"interval": "day", "event": EVENTS[5], **whole},
        ),
        "timeseries by day, all events": ("timeseries", {"interval": "day", **whole}),
        "timeseries by hour, all events, 14 days": (
            "timeseries",
            {"interval": "hour", **fortnight},
        ),
        f"top-events, {days} days": ("top-events", {"limit": "20", **whole}),
        "top-events, the later half": ("top-events", {"limit": "20", **later}),
        "top-events, 7 days": ("top-events", {"limit": "20", **week}),
    }
    return {name: f"/analytics/{path}?{urlencode(query)}" for name, (path, query) in asked.items()}


def measure(database: Database, server: str, key: str, days: int) -> Iterator[Timing]:
    """Yield what each question takes, each time as after another hit."""
    for name, path in questions(days).items():
        took: list[float] = []
        answer: JsonObject = {}
        for _ in range(TIMES):
            database.run(_another_version)
            asked = urllib.request.Request(server + path, headers={"X-API-Key": key})  # noqa: S310
            began = time.perf_counter()
            with urllib.request.urlopen(asked, timeout=60) as response:  # noqa: S310  our own
                answer = json.load(response)
            took.append((time.perf_counter() - began) * 1000)
        yield Timing(name, statistics.median(took), max(took), answer)


def _another_version(session: Session) -> None:
    session.execute(text("UPDATE hit_version SET version = version + 1"))


def wrong_answers(engine: Engine, timings: list[Timing], whole: int) -> list[str]:
    """Return what is not as going through all hits has it: hits and users, by event."""
    last = (FIRST_DAY - date(1970, 1, 1)).days + whole - 1
    plain = text(
        "SELECT event, COUNT(*), COUNT(DISTINCT user_id) FROM hit"
        " WHERE is_bot = 0 AND day BETWEEN :first AND :last GROUP BY event"
    )
    wrong = []
    for days, span in ((whole, f"{whole} days"), (7, "7 days")):
        with engine.connect() as connection:
            counted = connection.execute(plain, {"first": last - days + 1, "last": last}).all()
        expected = {event: (hits, users) for event, hits, users in counted}
        answers = {timing.name: timing.answer for timing in timings}
        top = answers[f"top-events, {span}"]["events"]
        assert isinstance(top, list)  # noqa: S101 - for the types
        found = {
            each["event"]: (each["count"], each["uniqueUsers"])
            for each in top
            if isinstance(each, dict)
        }
        summary = answers[f"event-summary, {span}"]
        if found != expected:
            wrong.append(f"top-events, {span}: {found}, and by COUNT(DISTINCT) {expected}")
        if (summary["count"], summary["uniqueUsers"]) != expected.get(EVENTS[5], (0, 0)):
            wrong.append(f"event-summary, {span}: {summary}, not {expected.get(EVENTS[5])}")
    return wrong


def run(url: str, count: int, secret: str, days: int = DAYS) -> int:
    """Fill the database where it is empty, and print the table; 1 where an answer is wrong."""
    database = Database(url, inline)
    database.migrate()
    # A call may wait ten seconds for an answer, and what is done here takes longer.
    engine = migration_engine(url)
    issued = ApiKeys(database, KeySigner(secret)).issue(APP, frozenset({Scope.READ}))
    with database.engine.connect() as connection:
        is_empty = connection.scalar(text("SELECT COUNT(*) FROM day_count")) == 0
    if is_empty:
        began = time.perf_counter()
        fill(engine, Sample(issued.key.app_id, count, days))
        print(f"{count} hits in {time.perf_counter() - began:.0f} s\n", flush=True)  # noqa: T201
    environ = {**HERALD.environ, "DATABASE_URL": url, "SECRET_KEY": secret}
    contender = replace(HERALD, environ=environ)
    with Server(contender, silent=True, max_sockets=10) as server:
        address = f"http://127.0.0.1:{server.port}"
        timings = _reported(measure(database, address, issued.token, days))
    wrong = wrong_answers(engine, timings, days)
    database.close()
    print("\n".join(wrong) or "\nAll counts and unique users are those of COUNT(DISTINCT).")  # noqa: T201
    return 1 if wrong else 0


def _reported(timings: Iterator[Timing]) -> list[Timing]:
    print("| question | median ms | slowest ms |\n|---|--:|--:|")  # noqa: T201
    seen = []
    for each in timings:
        late = "" if each.worst_ms < BOUND_MS else f" (over {BOUND_MS:.0f})"
        print(f"| {each.name} | {each.median_ms:.1f} | {each.worst_ms:.1f}{late} |", flush=True)  # noqa: T201
        seen.append(each)
    return seen


def main() -> int:
    """Measure; the exit code is 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hits", type=int, default=HITS)
    parser.add_argument("--days", type=int, default=DAYS, help="over which the hits are spread")
    parser.add_argument("--url", help="an empty database, or one that this has filled; else SQLite")
    parser.add_argument("--home", type=Path, help="keep SQLite here, and use it again")
    options = parser.parse_args()
    # The same for the key that is issued here and the server, which is asked with it.
    secret = secrets.token_urlsafe(48)
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        return run(
            options.url or f"sqlite:///{home.resolve()}/herald.db",
            options.hits,
            secret,
            options.days,
        )


if __name__ == "__main__":
    raise SystemExit(main())
