"""What a writer knows of users' days never makes a sum wrong, whoever deletes hits meanwhile."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logger_lib import inline
from tests.collect.sums import (
    DAY,
    NOON,
    a_hit,
    distinct_users,
    hits_of,
    require_in_step,
    unique_users,
)
from tests.services.cases import SCALE
from tests.services.migrated import migrated_file
from webapp.collect.deletion.erasure import Erased, Erasure
from webapp.collect.deletion.removal import HitRemoval
from webapp.collect.hit import Hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store.app_lock import NO_MARK, AppState
from webapp.collect.store.hit_sql import Dialect
from webapp.collect.store.hit_store import HitStore
from webapp.collect.store.known_days import KnownDays, Learned
from webapp.collect.store.unique_users import UniqueUsers
from webapp.storage.database import Database
from webapp.storage.hit_tables import ANY_EVENT, HitRow

PATIENT = 60.0
TODAY = NOON // DAY


def _long_ago() -> float:
    """Return a moment for an erasure, before which no hit here was received."""
    return NOON / 1000 - 1


def _require_right(database: Database, app_id: str) -> None:
    require_in_step(database, app_id)
    for event in (ANY_EVENT, "view", "buy"):
        asked = app_id, event, TODAY, TODAY
        assert unique_users(database, *asked) == distinct_users(database, *asked)


def test_who_was_erased_and_comes_again_is_counted_again(
    store: HitStore, database: Database, app_id: str
) -> None:
    """On the same day, by the writer that knew their day, and by another one."""
    other = HitStore(database, AppPolicies(database))
    erasure = Erasure(database, clock=_long_ago)
    for turn in range(3):
        for number, writer in enumerate((store, other, store)):
            hits = [
                a_hit(app_id, f"{turn}-{number}-{user}", user_id=user, event="view")
                for user in ("ada", "bob")
            ]
            assert writer.write(hits) == []
            assert unique_users(database, app_id, "view", TODAY, TODAY) == 2
            _require_right(database, app_id)
        assert erasure.erase(app_id, "ada", PATIENT) == Erased(3, is_complete=True)
        _require_right(database, app_id)
        assert unique_users(database, app_id, ANY_EVENT, TODAY, TODAY) == 1


def test_a_user_s_second_hit_of_a_day_is_known(
    store: HitStore, database: Database, app_id: str
) -> None:
    """Until the user is erased, which no writer has to be told."""
    known = store.known_days
    for number, misses in enumerate((10, 10, 20)):
        hits = [a_hit(app_id, f"{number}-{n}", user_id=f"u{n}") for n in range(10)]
        assert store.write(hits) == []
        assert (known.hits + known.misses, known.misses) == (10 * (number + 1), misses)
        if number == 1:
            Erasure(database, clock=_long_ago).erase(app_id, "u0", PATIENT)
    _require_right(database, app_id)


def test_of_what_was_undone_nothing_is_known(
    store: HitStore, database: Database, app_id: str
) -> None:
    """A batch that has failed for one hit of it leaves all its days unknown."""
    hits = [a_hit(app_id, str(n), user_id=f"u{n}", event="view") for n in range(10)]
    refused = store.write([*hits, a_hit(app_id, "long", user_id="eve", event="e" * 201)])
    assert len(refused) == (0 if database.engine.dialect.name == "sqlite" else 1)
    _require_right(database, app_id)


_Step: TypeAlias = Callable[[Sequence[HitStore], Database, str], None]


def _write(writer: int, hits: Sequence[Hit]) -> _Step:
    def step(stores: Sequence[HitStore], _database: Database, app_id: str) -> None:
        assert stores[writer].write([replace(hit, app_id=app_id) for hit in hits]) == []

    return step


def _erase(user_id: str) -> _Step:
    def step(_stores: Sequence[HitStore], database: Database, app_id: str) -> None:
        assert Erasure(database, clock=_long_ago).erase(app_id, user_id, PATIENT).is_complete

    return step


def _remove(limit: int) -> _Step:
    def step(_stores: Sequence[HitStore], database: Database, app_id: str) -> None:
        HitRemoval(database).remove(app_id, HitRow.at < NOON + DAY, limit)

    return step


_HITS = st.builds(
    a_hit,
    st.just("app"),
    st.integers(0, 40).map(str),
    event=st.sampled_from(["view", "buy"]),
    at=st.sampled_from([NOON, NOON + 1, NOON + DAY // 2 - 1, NOON + DAY // 2, NOON + DAY]),
    user_id=st.sampled_from(["ada", "bob", None]),
)
_STEPS = st.one_of(
    st.builds(_write, st.integers(0, 1), st.lists(_HITS, min_size=1, max_size=6)),
    st.builds(_erase, st.sampled_from(["ada", "bob"])),
    st.builds(_remove, st.integers(1, 4)),
)


@settings(max_examples=12 * SCALE)
@given(steps=st.lists(_STEPS, max_size=10))
def _hold(stores: Sequence[HitStore], database: Database, steps: Sequence[_Step]) -> None:
    app_id = str(uuid4())
    for step in steps:
        step(stores, database, app_id)
        require_in_step(database, app_id)


def test_sums_are_right_after_each_step(store: HitStore, database: Database) -> None:
    """Two writers, erasures and a retention in any order: each leaves all sums exact."""
    _hold([store, HitStore(database, AppPolicies(database))], database)


def test_a_day_goes_with_its_last_hit(store: HitStore, database: Database, app_id: str) -> None:
    """However far from the one before it: they are of its first and its last moment."""
    ends = [NOON - DAY // 2, NOON + DAY // 2 - 1]
    hits = [a_hit(app_id, str(at), user_id="ada", event="view", at=at) for at in ends]
    assert store.write(hits) == []
    removal = HitRemoval(database)
    for left in (1, 0):
        assert removal.remove(app_id, HitRow.user_id == "ada", 1) == 1
        assert hits_of(database, app_id) == left
        assert unique_users(database, app_id, "view", TODAY, TODAY) == left
        _require_right(database, app_id)


def test_days_of_a_user_with_very_many_hits(
    store: HitStore, database: Database, app_id: str
) -> None:
    """Of more events than are looked at first, beside users with few hits: the right days go."""
    many, few = 6_000, 20
    for start in range(0, many, 1_000):
        hits = [
            a_hit(app_id, str(n), user_id="all", event=f"event-{n}", at=NOON + n)
            for n in range(start, start + 1_000)
        ]
        assert store.write(hits) == []
    others = [
        a_hit(app_id, f"{user}-{n}", user_id=f"user-{user}", event="view", at=NOON + n)
        for user in range(few)
        for n in range(2 if user % 2 else 1)
    ]
    # An event of the first hit comes again at the end of the day.
    last = a_hit(app_id, "last", user_id="all", event="event-0", at=NOON + DAY // 2 - 1)
    assert store.write([*others, last]) == []
    assert HitRemoval(database).remove(app_id, HitRow.at < NOON + DAY // 2, few + 1) == few + 1
    require_in_step(database, app_id)
    left = unique_users(database, app_id, ANY_EVENT, TODAY, TODAY)
    assert left == 1 + few // 2
    assert unique_users(database, app_id, "event-0", TODAY, TODAY) == 1


def test_a_failover_that_went_back_and_on(tmp_path: Path, app_id: str) -> None:
    """What was known of transactions that a replica lacks is over, although others came since."""
    file, replica = tmp_path / "herald.db", tmp_path / "replica.db"
    database = Database(migrated_file(file), inline)
    one, other = (HitStore(database, AppPolicies(database)) for _ in range(2))
    assert one.write([a_hit(app_id, "1", user_id="ada", event="view")]) == []
    _copy(file, replica)
    assert other.write([a_hit(app_id, "2", user_id="bob", event="view")]) == []
    _copy(replica, file)
    assert one.write([a_hit(app_id, "3", user_id="eve", event="view")]) == []
    assert other.write([a_hit(app_id, "4", user_id="bob", event="view")]) == []
    _require_right(database, app_id)
    assert other.write([a_hit(app_id, "5", user_id="bob", event="view")]) == []
    assert (other.known_days.hits, other.known_days.misses) == (1, 2)
    database.close()


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def test_days_that_are_not_there_are_not_counted_out(database: Database, app_id: str) -> None:
    """Whoever asks for it: nobody is counted less often than not at all."""
    users = UniqueUsers(Dialect(database.engine.dialect.name))
    day = (app_id, "view", "ada", TODAY)
    for there, asked in (([day], [day]), ([], [day, (app_id, "view", "bob", TODAY)])):
        database.run(lambda session, there=there: users.add(session.connection(), there))  # type: ignore[misc] # a default argument in a lambda has no place for its type
        database.run(lambda session, asked=asked: users.remove(session.connection(), asked))  # type: ignore[misc] # a default argument in a lambda has no place for its type
    require_in_step(database, app_id)


def _state(version: int, removals: int = 0, has_mark: int = 1) -> AppState:
    return AppState("app", "UTC", version, removals, 0, 0, has_mark)


@pytest.mark.parametrize(
    "state", [_state(3, removals=1), _state(3, has_mark=0), _state(2), _state(1)]
)
def test_what_is_known_is_over(state: AppState) -> None:
    """Where days were removed, what was written last has gone, or no version goes back."""
    known = KnownDays()
    days = {("app", "view", "ada", TODAY)}
    known.learn(Learned(known.unknown([_state(1)], days), NO_MARK))
    assert not known.unknown([_state(2)], days)
    assert {day for _, day in known.unknown([state], days)} == {
        ("app", event, "ada", TODAY) for event in ("view", ANY_EVENT)
    }


def test_what_is_known_is_bounded() -> None:
    """What is seen again stays, of the rest what was seen last."""
    known = KnownDays(100)

    def is_known(version: int, user: str) -> bool:
        unknown = known.unknown([_state(version)], {("app", "view", user, TODAY)})
        known.learn(Learned(unknown, NO_MARK))
        return not unknown

    for version in range(500):
        assert is_known(2 * version, f"u{version}") is False
        assert is_known(2 * version + 1, "ada") is (version > 0)
    assert is_known(1001, "u499")
    assert not is_known(1002, "u300")
    assert (known.hits, known.misses) == (500, 502)


def test_what_is_known_is_bounded_in_bytes() -> None:
    """However long names are: of long ones less is known."""
    known = KnownDays(1_000, kept_bytes=40_000)
    users = [str(n) + "\N{GRINNING FACE}" * 190 for n in range(50)]
    for version in range(1, 3):
        for n, user in enumerate(users):
            days = {("app", "view", user, TODAY)}
            known.learn(Learned(known.unknown([_state(50 * version + n)], days), NO_MARK))
    assert (known.hits, known.misses) == (0, 100)
