"""Which days go with hits that are deleted: found by few rows, and as a plain count says."""

from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from tests.collect.sums import DAY, NOON, a_hit, hits_of, require_in_step
from webapp.collect.deletion.removal import HitRemoval
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow
from webapp.storage.tables import App

USERS, EACH = 120, 50
EVENTS = 5
OF_ALL = HitRow.at < NOON + DAY


def _stored(store: HitStore, app_id: str, events: int) -> None:
    """Have ``USERS`` users send ``EACH`` hits on a day, in turns."""
    hits = [
        a_hit(app_id, str(n), user_id=f"u{n % USERS}", event=f"e{n // USERS % events}", at=NOON + n)
        for n in range(USERS * EACH)
    ]
    assert store.write(hits) == []


class _Reads:
    """Counts the statements of an engine, and, where its driver says it, the rows they found."""

    def __init__(self, database: Database) -> None:
        self.statements = self.rows = 0
        event.listen(
            database.engine,
            "after_cursor_execute",
            lambda *given: self._count(given[1].rowcount, given[2]),
        )

    def _count(self, rows: int, statement: str) -> None:
        self.statements += 1
        if statement.startswith("SELECT"):
            self.rows += max(rows, 0)


def test_many_users_of_a_day_cost_few_rows(
    store: HitStore, database: Database, app_id: str
) -> None:
    """Of each a few hits are looked at, however many they have, in few statements."""
    _stored(store, app_id, EVENTS)
    reads = _Reads(database)
    removal = HitRemoval(database)
    assert removal.remove(app_id, OF_ALL, USERS) == USERS
    assert reads.statements < 20
    assert reads.rows < 25 * USERS
    assert removal.put_off == 0
    require_in_step(database, app_id)


def test_what_many_users_leave_open_is_put_off(
    store: HitStore, database: Database, app_id: str
) -> None:
    """Where each hit has an event of its own, those of few users go in a transaction."""
    _stored(store, app_id, EACH)
    removal = HitRemoval(database, budget=3 * EACH)
    assert removal.remove(app_id, OF_ALL, USERS) == 3
    assert removal.put_off == USERS - 3
    # Of a single user: some of them have two among the oldest by now.
    of_one = HitRemoval(database, budget=1).remove(app_id, OF_ALL, USERS)
    assert of_one in {1, 2}
    assert hits_of(database, app_id) == USERS * EACH - 3 - of_one
    require_in_step(database, app_id)


@pytest.mark.parametrize("goes", [0, 1])
def test_a_day_on_which_clocks_go_back_by_two_hours(
    store: HitStore, database: Database, app_id: str, goes: int
) -> None:
    """A hit of its first minutes and one of hours later: the day stays with either."""
    zone = ZoneInfo("Antarctica/Troll")
    now = datetime.now(UTC)
    app = App(id=app_id, name=app_id, created_at=now, time_zone=zone.key, hit_retention_days=None)
    database.run(lambda session: session.add(app))
    at = [
        int(datetime(2024, 10, 27, *time, tzinfo=zone).timestamp() * 1000)
        for time in ((0, 10), (5, 50))
    ]
    hits = [a_hit(app_id, str(n), event="view", user_id="ada", at=at[n]) for n in range(2)]
    assert store.write(hits) == []
    assert HitRemoval(database).remove(app_id, HitRow.at == at[goes], 1) == 1
    assert hits_of(database, app_id) == 1
    require_in_step(database, app_id)


def test_any_order_leaves_the_sums_right(store: HitStore, database: Database, app_id: str) -> None:
    """Random hits of users with few and with many, deleted by random numbers: all is in step."""
    random = Random(6)
    hits = [
        a_hit(
            app_id,
            str(n),
            user_id=random.choice(["ada", "ada", "ada", "bob", "eve", None]),
            event=f"e{random.randrange(30)}",
            at=NOON + random.randrange(3) * DAY + random.randrange(-DAY // 2, DAY // 2),
        )
        for n in range(400)
    ]
    assert store.write(hits) == []
    removal = HitRemoval(database, budget=60)
    deleted = 0
    while some := removal.remove(app_id, HitRow.at < NOON + 3 * DAY, random.randrange(1, 90)):
        deleted += some
        require_in_step(database, app_id)
    assert deleted == len(hits)
