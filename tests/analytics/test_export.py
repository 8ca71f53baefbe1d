"""Exports: all that was asked for, page by page, in a form that is safe to open."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from logger_lib import JsonObject
from tests.analytics.conftest import BOT, Collected
from webapp.analytics.asked_apps import Asker
from webapp.analytics.days import Days
from webapp.analytics.export import PAGE_BYTES, PAGE_HITS, SCANNED_HITS, Export, Format, export_hits
from webapp.storage.database import Database


def test_all_of_a_hit_is_exported(app: Collected) -> None:
    """A line of JSON, or a row of CSV, has what is stored of a hit."""
    hit = app.hit(
        "2026-05-01T10:00:00.5",
        "view",
        "ada",
        url="https://a.example/é?x=1",
        referrer="https://b.example",
        session_id="s1",
        ip_address="192.0.2.0",
        device="mobile",
    )
    app.write(replace(hit, metadata={"a": [1, {"b": None}]}))
    expected: JsonObject = {
        "appId": app.id,
        "messageId": hit.message_id,
        "event": "view",
        "timestamp": "2026-05-01T10:00:00.500Z",
        "receivedAt": "2026-05-01T10:00:00.500Z",
        "userId": "ada",
        "sessionId": "s1",
        "url": "https://a.example/é?x=1",
        "referrer": "https://b.example",
        "device": "mobile",
        "browser": "Firefox",
        "os": "Linux",
        "ipAddress": "192.0.2.0",
        "isBot": False,
        "metadata": {"a": [1, {"b": None}]},
    }
    answer = app.get("export", format="jsonl")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert json.loads(answer.text) == expected
    answer = app.get("export")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="hits.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.content.decode(), newline=""))
    assert row == {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in expected.items()
    }


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(app: Collected, formula: str) -> None:
    """What a spreadsheet would compute has an apostrophe in front, and a row stays a row."""
    app.write(app.hit("2026-05-01T10:00", formula, f'{formula}"\n,x', url=formula))
    (row,) = csv.DictReader(io.StringIO(app.get("export").content.decode(), newline=""))
    assert row["event"] == row["url"] == f"'{formula}"
    assert row["userId"] == f"'{formula}\"\n,x"
    assert json.loads(app.get("export", format="jsonl").text)["event"] == formula


def test_what_is_asked_for_is_exported(app: Collected) -> None:
    """Days, events, a user, bots: each narrows it, and the oldest hit comes first."""
    app.write(
        app.hit("2026-05-03T10:00", "a", "ada"),
        app.hit("2026-05-02T10:00", "b", "bob"),
        app.hit("2026-05-01T10:00", "c", "ada"),
        app.hit("2026-05-01T11:00", "d", "ada", user_agent=BOT),
    )
    assert _events(app) == ["c", "b", "a"]
    assert _events(app, includeBots="true") == ["c", "d", "b", "a"]
    assert _events(app, userId="ada") == ["c", "a"]
    assert _events(app, event=["a", "b"]) == ["b", "a"]
    assert _events(app, startDate="2026-05-02", endDate="2026-05-02") == ["b"]


def test_an_export_has_many_pages(app: Collected) -> None:
    """Hits of the same moment on both sides of the end of a page are there, each once."""
    count = PAGE_HITS * 2 + 7
    hits = [app.hit("2026-05-01T10:00", str(number // 700)) for number in range(count)]
    app.write(*hits)
    # Earlier, and written later: the pages go by time.
    late = [app.hit("2026-04-30T10:00") for _ in range(PAGE_HITS + 1)]
    app.write(*late)
    lines = [json.loads(line) for line in app.get("export", format="jsonl").text.splitlines()]
    assert [line["timestamp"][:10] for line in lines] == sorted(
        ["2026-04-30"] * len(late) + ["2026-05-01"] * count
    )
    assert {line["messageId"] for line in lines} == {hit.message_id for hit in hits + late}


def test_a_page_is_bounded_in_bytes(app: Collected) -> None:
    """However large hits are, a piece of the export is no larger than a page or one hit."""
    large = {"x": "y" * (PAGE_BYTES // 3)}
    app.write(*(replace(app.hit("2026-05-01T10:00"), metadata={**large}) for _ in range(10)))
    app.write(replace(app.hit("2026-05-01T10:00"), metadata={"x": "y" * PAGE_BYTES * 2}))
    export = Export(Format.JSONL, (), None, Days(), with_bots=False)
    pieces = list(export_hits(app.collecting.database, Asker(app.id, None), export))
    assert [len(piece.splitlines()) for piece in pieces] == [2, 2, 2, 2, 2, 1]
    assert b"".join(pieces).decode() == app.get("export", format="jsonl").text


def test_what_is_looked_at_is_bounded(app: Collected) -> None:
    """An export that finds little goes through all hits in steps, between which others read."""
    hits = [app.hit("2026-05-01T10:00", "often") for _ in range(2 * SCANNED_HITS)]
    app.write(*hits, app.hit("2026-05-01T10:00", "rare", "ada"))
    assert _events(app, event="rare") == ["rare"]
    database = app.collecting.database
    export = Export(Format.JSONL, ("rare",), None, Days(), with_bots=False)
    with _statements(database) as begun:
        assert len(list(export_hits(database, Asker(app.id, None), export))) == 1
    steps = [statement for statement, _ in begun if "length(" in statement]
    assert len(steps) == 3
    if database.engine.dialect.name == "sqlite":
        with _statements(database) as asked:
            of_user = replace(export, events=(), user_id="ada")
            assert len(list(export_hits(database, Asker(app.id, None), of_user))) == 1
        plans = [_plan(database, *each) for each in asked if "FROM hit" in each[0]]
        assert len(plans) == 3
        assert [plan for plan in plans if "ix_hit_user_id" not in plan] == []


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, tuple[str | int, ...]]]]:
    """Yield what is asked of the database meanwhile."""
    asked: list[tuple[str, tuple[str | int, ...]]] = []

    def note(
        _connection: Connection,
        _cursor: DBAPICursor,
        statement: str,
        parameters: tuple[str | int, ...],
        *_: ExecutionContext | bool,
    ) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def _plan(database: Database, statement: str, parameters: tuple[str | int, ...]) -> str:
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return " ".join(str(row) for row in plan)


def _events(app: Collected, **query: str | list[str]) -> list[str]:
    lines = app.get("export", format="jsonl", **query).text.splitlines()
    return [json.loads(line)["event"] for line in lines]
