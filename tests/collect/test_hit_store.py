"""Batches of hits, on each kind of database: what is written, what comes again, what cannot be."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from logger_lib import JsonObject
from logger_lib.offload import inline
from tests.collect.sums import NOON, a_hit, hits_of, require_in_step, unique_users
from webapp.collect.hit import Hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store import mysql_rows
from webapp.collect.store.hit_store import HitStore
from webapp.errors import Unavailable
from webapp.storage.database import Database
from webapp.storage.hit_tables import ANY_EVENT, HitRow, HitVersion

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
SECONDS = 40.0


def _rows(database: Database, app_id: str) -> dict[str, HitRow]:
    query = select(HitRow).where(HitRow.app_id == app_id)

    def found(session: Session) -> dict[str, HitRow]:
        rows = {row.message_id: row for row in session.scalars(query)}
        session.expunge_all()
        return rows

    return database.run(found)


def test_a_hit_is_stored_as_it_came(store: HitStore, database: Database, app_id: str) -> None:
    """Every field, in any script, comes back; what its user agent says is there too."""
    metadata: JsonObject = {"plan": "größe 📣", "deep": [1, {"nul": "a\0b"}], "n": 2**63 - 1}
    hit = Hit(
        app_id=app_id,
        message_id="m-1",
        event="order.paid",
        at=NOON,
        received_at=NOON + 7,
        url="https://example.com/ä?q=📣",
        referrer="r" * 70_000,
        ip_address="192.0.2.0",
        user_agent=IPHONE,
        user_id="Jürgen",
        session_id="s-1",
        metadata=metadata,
    )
    assert store.write([hit, a_hit(app_id, "m-2", device="tablet", user_agent=IPHONE)]) == []
    rows = _rows(database, app_id)
    row = rows["m-1"]
    assert (row.event, row.at, row.received_at, row.day, row.hour) == (
        "order.paid",
        NOON,
        NOON + 7,
        20_000,
        12,
    )
    assert (row.url, row.referrer, row.ip_address) == (hit.url, hit.referrer, hit.ip_address)
    assert (row.user_id, row.session_id) == ("Jürgen", "s-1")
    assert (row.device, row.browser, row.os, row.is_bot) == ("mobile", "Mobile Safari", "iOS", 0)
    assert json.loads(row.details or "") == metadata
    assert rows["m-2"].device == "tablet"
    assert (rows["m-2"].user_id, rows["m-2"].details) == (None, None)


QUOTES = (
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "'\\",
    "\\\\'",
    "\\'); DROP TABLE hit; -- ",
    "ß\\'📣",
    "¿'",
)
SIGNS = ("%", "%s %% %(a)s {0} :rows", "?", "\x1a", "\r\n\t", "0x27", "NULL", "")
ODD = (*QUOTES, *SIGNS)


def test_odd_texts_are_stored_as_they_came(
    store: HitStore, database: Database, app_id: str
) -> None:
    """What means something in a statement means nothing in a value."""
    hits = [
        replace(a_hit(app_id, f"m-{n}", url=text, user_id=f"{text}!"), metadata={"odd": text})
        for n, text in enumerate(ODD)
    ]
    assert store.write(hits) == []
    rows = _rows(database, app_id)
    assert [rows[f"m-{n}"].url for n in range(len(ODD))] == list(ODD)
    assert [rows[f"m-{n}"].user_id for n in range(len(ODD))] == [f"{text}!" for text in ODD]
    assert [json.loads(rows[f"m-{n}"].details or "") for n in range(len(ODD))] == [
        {"odd": text} for text in ODD
    ]
    require_in_step(database, app_id)


def test_an_error_tells_nothing_of_hits(database: Database) -> None:
    """What is said of a statement that fails, in logs too, has no value of a hit in it."""
    into = "INSERT INTO no_such_table (user_id)"
    with pytest.raises(DBAPIError, match="no_such_table") as caught:
        database.run(
            lambda session: mysql_rows.execute(session.connection(), into, "('Ada L.')", "")
        )
    assert "Ada L." not in str(caught.value)


def test_what_comes_again_changes_nothing(store: HitStore, database: Database, app_id: str) -> None:
    """A message id is one hit of its app, in one batch or two, whatever else it says."""
    batch = [a_hit(app_id, str(n), user_id=f"u{n % 3}") for n in range(30)]
    assert store.write([*batch, *batch]) == []
    assert store.write(batch) == []
    assert store.write([replace(hit, event="other", user_id="else") for hit in batch]) == []
    assert store.write([replace(hit, app_id="another") for hit in batch[:4]]) == []
    assert hits_of(database, app_id) == 30
    assert hits_of(database, "another") == 4
    assert unique_users(database, app_id, ANY_EVENT, 0, 30_000) == 3
    require_in_step(database, app_id)


@pytest.mark.parametrize("place", [0, 250, 499])
def test_a_poison_hit_takes_no_other_with_it(
    store: HitStore, database: Database, app_id: str, place: int
) -> None:
    """What no database can hold is given back with the reason, and all others are stored."""
    batch = [a_hit(app_id, str(n), user_id="ada") for n in range(500)]
    poison = [
        a_hit(app_id, "nul", url="a\0b"),
        a_hit(app_id, "half", user_id="\ud800"),
        a_hit(app_id, "never", at=-86_400_000),
        a_hit(app_id, "late", at=10**18),
        a_hit(app_id, "nameless", event=""),
        a_hit(app_id, "blank", user_id="ada "),
        replace(a_hit(app_id, "large"), metadata={"n": 2**70}),
        *(
            # As they may come by Redis.
            Hit.from_json(json.dumps({**json.loads(a_hit(app_id, name).to_json()), name: ["a"]}))
            for name in ("event", "user_id", "url")
        ),
    ]
    batch[place:place] = poison
    refused = store.write(batch)
    assert [hit.message_id for hit, _ in refused] == [hit.message_id for hit in poison]
    assert all(reason.startswith("it cannot be stored: ") for _, reason in refused)
    assert hits_of(database, app_id) == 500
    require_in_step(database, app_id)


def test_what_only_the_database_refuses_is_found_by_halves(
    store: HitStore, database: Database, app_id: str
) -> None:
    """A value that does not fit a column is refused alone, by a database that has such limits."""
    batch = [a_hit(app_id, str(n), event="e" * 201 if n in {7, 43} else "e") for n in range(50)]
    refused = store.write(batch)
    if database.engine.dialect.name == "sqlite":
        assert refused == []
    else:
        assert [hit.message_id for hit, _ in refused] == ["7", "43"]
        assert all("too long" in reason for _, reason in refused)
    assert hits_of(database, app_id) == 50 - len(refused)
    require_in_step(database, app_id)


def test_each_change_makes_a_version(store: HitStore, database: Database, app_id: str) -> None:
    """Whoever keeps an answer with the version it was read at knows when it is over."""

    def version() -> int:
        query = select(HitVersion.version).where(HitVersion.app_id == app_id)
        return database.run(lambda session: session.scalar(query)) or 0

    seen = [version()]
    for number in range(3):
        store.write([a_hit(app_id, str(number)), a_hit("another", str(number))])
        seen.append(version())
    assert seen == [0, 1, 2, 3]


def _write_all(url: str, batches: Sequence[Sequence[Hit]]) -> None:
    database = Database(url, inline)
    store = HitStore(database, AppPolicies(database))
    for batch in batches:
        while True:
            try:
                assert store.write(batch) == []
            except Unavailable:
                continue
            break
    database.close()


def _batches(writer: int, apps: Sequence[str]) -> list[list[Hit]]:
    """Return 600 hits: every tenth is one that all writers have, and 17 users had them."""
    hits = [
        a_hit(apps[n % len(apps)], str(n if n % 10 == 0 else (writer, n)), user_id=f"u{n % 17}")
        for n in range(600)
    ]
    return [hits[start : start + 50] for start in range(0, 600, 50)]


def test_writers_at_once_add_up(database: Database) -> None:
    """Writers of the same apps, users and hits, and of others meanwhile: every sum is right."""
    shared, own = ["one", "two"], ["three", "four"]
    writers = [_batches(writer, shared) for writer in range(3)]
    # Who has two apps takes them in one order, whichever comes first in the batch.
    writers[1] = [list(reversed(batch)) for batch in writers[1]]
    writers += [_batches(3, [app_id]) for app_id in own]
    url = database.engine.url.render_as_string(hide_password=False)
    threads = [threading.Thread(target=partial(_write_all, url, each)) for each in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sum(hits_of(database, app_id) for app_id in shared) == 3 * 540 + 60
    assert [hits_of(database, app_id) for app_id in own] == [600, 600]
    for app_id in shared + own:
        require_in_step(database, app_id)


def test_a_writer_that_is_killed_loses_and_doubles_nothing(database: Database, app_id: str) -> None:
    """Killed at any moment, a writer leaves whole batches; written again they change nothing."""
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.collect.endless_writer", url, app_id]
    said = 0
    for _ in range(4):
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(5):
            said = max(said, int(writer.stdout.readline()))
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
        said = max([said, *map(int, rest)])
        writer.stdout.close()
        writer.wait(SECONDS)
        require_in_step(database, app_id)
    stored = hits_of(database, app_id)
    assert stored % 20 == 0
    assert stored >= 20 * (said + 1)
    query = select(func.count(HitRow.message_id.distinct())).where(HitRow.app_id == app_id)
    assert database.run(lambda session: session.scalar(query)) == stored
