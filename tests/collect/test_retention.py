"""Old hits go, some at a time, and every sum with them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.collect.sums import DAY, NOON, a_hit, hits_of, require_in_step, unique_users
from webapp.collect.deletion.retention import OldHits
from webapp.collect.store.hit_store import HitStore
from webapp.retention import Retention
from webapp.storage.database import Database
from webapp.storage.hit_tables import ANY_EVENT
from webapp.storage.tables import App

TODAY = NOON // DAY


def _app(database: Database, app_id: str, zone: str, days: int | None) -> None:
    made = datetime.now(UTC)
    database.run(
        lambda session: session.add(
            App(
                id=app_id,
                name=app_id,
                created_at=made,
                time_zone=zone,
                hit_retention_days=days,
            )
        )
    )


def _stored(store: HitStore, app_id: str) -> None:
    """Have 3 users come every day for ten days, each by two hits, the last ones at noon today."""
    hits = [
        a_hit(app_id, f"{day}-{user}-{event}", user_id=user, event=event, at=NOON - day * DAY)
        for day in range(10)
        for user in ("ada", "bob", "eve")
        for event in ("view", "buy")
    ]
    assert store.write(hits) == []


def test_old_hits_go_and_the_answers_stay_right(store: HitStore, database: Database) -> None:
    """After every transaction the sums are those of the hits that are left; other apps keep all."""
    for app_id, days in (("short", 3), ("long", 9), ("ever", None)):
        _app(database, app_id, "UTC", days)
        _stored(store, app_id)
    old = OldHits(database, clock=lambda: NOON / 1000)
    while old.delete_some(7):
        require_in_step(database, "short")
    assert [hits_of(database, app_id) for app_id in ("short", "long", "ever")] == [24, 60, 60]
    # A range that begins before what is left has the users of what is left.
    assert unique_users(database, "short", ANY_EVENT, 0, TODAY) == 3
    assert unique_users(database, "short", "buy", 0, TODAY - 4) == 0
    assert unique_users(database, "ever", "buy", 0, TODAY - 4) == 3


def test_an_app_that_fails_does_not_keep_the_others(
    store: HitStore, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said and left for the next round; the hits of all the others go."""
    apps = ("first", "second", "third")
    for app_id in apps:
        _app(database, app_id, "UTC", 3)
        _stored(store, app_id)
    for statement in _REFUSED[database.engine.dialect.name]:
        database.run(lambda session, statement=statement: session.execute(text(statement)))  # type: ignore[misc] # a default argument in a lambda has no place for its type
    old = OldHits(database, clock=lambda: NOON / 1000)
    Retention(old.delete_some, "hits").delete_old()
    assert [hits_of(database, app_id) for app_id in apps] == [24, 60, 24]
    assert old.failed == 1
    assert "old hits of the app second are not deleted" in capsys.readouterr().err
    require_in_step(database, "second")


_REFUSED = {
    "sqlite": [
        "CREATE TRIGGER refused BEFORE DELETE ON hit WHEN OLD.app_id = 'second'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    ],
    "mysql": [
        "CREATE TRIGGER refused BEFORE DELETE ON hit FOR EACH ROW IF OLD.app_id = 'second'"
        " THEN SIGNAL SQLSTATE '45000'; END IF"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER refused BEFORE DELETE ON hit FOR EACH ROW"
        " WHEN (OLD.app_id = 'second') EXECUTE FUNCTION refuse()",
    ],
}
"""What has a database refuse to delete hits of the app ``second``."""


def test_a_day_ends_where_the_app_is(store: HitStore, database: Database) -> None:
    """Whether a hit is of a day that is over is asked in the time zone of the app."""
    for app_id, zone in (("west", "Pacific/Honolulu"), ("east", "Pacific/Auckland")):
        _app(database, app_id, zone, 1)
        hits = [a_hit(app_id, str(hour), at=NOON - hour * DAY // 24) for hour in range(72)]
        store.write(hits)
    job = Retention(OldHits(database, clock=lambda: NOON / 1000).delete_some, "hits")
    job.delete_old()
    # At noon UTC it is 2 in the morning in Honolulu, and 1 at night, of the next day, in Auckland.
    assert [hits_of(database, app_id) for app_id in ("west", "east")] == [27, 26]
    assert job.deleted == 72 - 27 + 72 - 26
    for app_id in ("west", "east"):
        require_in_step(database, app_id)
