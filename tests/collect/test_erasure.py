"""A user can be forgotten: their hits, their days, and what they have added to any sum."""

import time
from dataclasses import replace

from sqlalchemy import select

from tests.collect.sums import DAY, NOON, a_hit, hits_of, require_in_step, unique_users
from webapp.collect.deletion.erasure import Erased, Erasure
from webapp.collect.deletion.retention import OldHits
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database
from webapp.storage.hit_tables import ANY_EVENT, HitRow, UserDay

TODAY = NOON // DAY
PATIENT = 60.0
MUCH = 1.5
"""Seconds of one transaction; by a look through the 20,000 for each of 500 it took 20."""


def _stored(store: HitStore, app_id: str, hits: int) -> None:
    for user_id in ("ada", "Ada", "bob"):
        written = [
            a_hit(
                app_id,
                f"{user_id}-{number}",
                user_id=user_id,
                event=f"event-{number % 7}",
                at=NOON - number * DAY // 50,
            )
            for number in range(hits)
        ]
        assert store.write(written) == []


def test_all_of_one_user_goes(store: HitStore, database: Database, app_id: str) -> None:
    """Nothing is left of them in any table, and everybody else's answers are what they were."""
    _stored(store, app_id, 700)
    _stored(store, "another", 5)
    assert Erasure(database).erase(app_id, "ada", PATIENT) == Erased(700, is_complete=True)
    for table in (HitRow, UserDay):
        users = select(table.user_id).where(table.app_id == app_id).distinct()
        left = database.run(lambda session, users=users: set(session.scalars(users)))  # type: ignore[misc] # a default argument in a lambda has no place for its type
        assert left == {"Ada", "bob"}
    require_in_step(database, app_id)
    assert unique_users(database, app_id, ANY_EVENT, 0, TODAY) == 2
    assert hits_of(database, "another") == 15
    assert Erasure(database).erase(app_id, "ada", PATIENT) == Erased(0, is_complete=True)


def test_a_transaction_does_not_go_through_all_that_a_user_has_left(
    store: HitStore, database: Database, app_id: str
) -> None:
    """Of a user whom all share, 500 hits of a day of 20,000 go as quickly as the last ones."""
    for start in range(0, 20_000, 2_000):
        many = [
            a_hit(app_id, str(n), user_id="all", at=NOON + n, event=f"event-{n % 20}")
            for n in range(start, start + 2_000)
        ]
        assert store.write(many) == []
    erasure = Erasure(database)
    began = time.monotonic()
    assert erasure.erase(app_id, "all", 0.0) == Erased(500, is_complete=False)
    assert time.monotonic() - began < MUCH
    require_in_step(database, app_id)


def test_what_was_under_way_is_left_out(store: HitStore, database: Database, app_id: str) -> None:
    """Hits that were received before an erasure and are written after it are not stored."""
    erasure = Erasure(database, clock=lambda: NOON / 1000)
    late = [
        a_hit(app_id, f"{user}-{n}", user_id=user, received_at=NOON + n)
        for user in ("ada", "bob")
        for n in (-1, 0, 1)
    ]
    assert erasure.erase(app_id, "ada ", PATIENT) == Erased(0, is_complete=True)
    # The call that goes on with it may come to a host whose clock is behind.
    behind = Erasure(database, clock=lambda: NOON / 1000 - 60)
    assert behind.erase(app_id, "ada", PATIENT) == Erased(0, is_complete=True)
    assert store.write(late) == []
    assert store.write([replace(hit, app_id="another") for hit in late]) == []
    assert hits_of(database, app_id) == 4
    assert hits_of(database, "another") == 6
    require_in_step(database, app_id)
    # It is known for 30 days: in none of the buffers anything is as old.
    month = NOON / 1000 + 30 * 86_400
    for later, stored in ((0, 4), (1, 6)):
        OldHits(database, clock=lambda later=later: month + later).delete_some(1)  # type: ignore[misc] # a default argument in a lambda has no place for its type
        assert store.write(late) == []
        assert hits_of(database, app_id) == stored
    require_in_step(database, app_id)


def test_an_erasure_goes_on_where_the_last_one_ended(
    store: HitStore, database: Database, app_id: str
) -> None:
    """One that has no time deletes some, says that more is left, and leaves the sums right."""
    _stored(store, app_id, 600)
    erasure = Erasure(database)
    assert erasure.erase(app_id, "bob", 0.0) == Erased(500, is_complete=False)
    require_in_step(database, app_id)
    assert erasure.erase(app_id, "bob", PATIENT) == Erased(100, is_complete=True)
    require_in_step(database, app_id)
