"""How an app wants its hits kept: read, changed, and followed."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import make_url, select

from logger_lib.offload import inline
from tests.collect.sums import DAY, NOON, a_hit, require_in_step
from tests.services.databases import temporary_mariadb
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import wait_until
from webapp.collect.policies import (
    DEFAULT_POLICY,
    FRESH_SECONDS,
    AppPolicies,
    AppPolicy,
    zone_named,
)
from webapp.collect.store.hit_store import HitStore
from webapp.errors import NotFound, TimeZoneFixed, ValidationFailed
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow
from webapp.storage.tables import App

TOKYO = AppPolicy(time_zone=ZoneInfo("Asia/Tokyo"), keeps_addresses=True, retention_days=30)


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


@pytest.fixture
def an_app(database: Database, app_id: str) -> str:
    """An app that is in the database."""
    made = datetime.now(UTC)
    database.run(lambda session: session.add(App(id=app_id, name="shop", created_at=made)))
    return app_id


def _days(database: Database, app_id: str) -> list[int]:
    query = select(HitRow.day).where(HitRow.app_id == app_id).order_by(HitRow.at)
    return database.run(lambda session: list(session.scalars(query)))


def test_a_policy_is_changed_and_read(database: Database, an_app: str) -> None:
    """A change is seen at once here, and elsewhere within ten seconds."""
    clock = Clock()
    here, elsewhere = AppPolicies(database), AppPolicies(database, clock)
    assert here.of(an_app) == elsewhere.of(an_app) == here.stored(an_app) == DEFAULT_POLICY
    here.change(an_app, lambda _: TOKYO)
    assert here.of(an_app) == here.stored(an_app) == TOKYO
    assert elsewhere.of(an_app) == DEFAULT_POLICY
    clock.now = FRESH_SECONDS
    assert elsewhere.of(an_app) == TOKYO


def test_days_are_those_of_the_app_once_it_has_hits(
    store: HitStore, database: Database, an_app: str
) -> None:
    """The time zone can be changed before the first hit, and all else for ever."""
    policies = AppPolicies(database)
    policies.change(an_app, lambda _: TOKYO)
    store.write([a_hit(an_app, "before", at=NOON), a_hit(an_app, "after", at=NOON + DAY // 4)])
    # At 18:00 UTC it is 3 in the morning of the next day in Tokyo.
    assert _days(database, an_app) == [NOON // DAY, NOON // DAY + 1]
    with pytest.raises(TimeZoneFixed, match="Asia/Tokyo"):
        policies.change(an_app, lambda _: DEFAULT_POLICY)
    policies.change(an_app, lambda now: replace(now, keeps_addresses=False, retention_days=None))
    assert policies.of(an_app) == AppPolicy(time_zone=TOKYO.time_zone)


def test_a_writer_that_has_not_heard_of_the_zone_uses_it(database: Database, an_app: str) -> None:
    """Whoever has looked a moment ago, when the time zone was another one, looks again."""
    policies = AppPolicies(database)
    store = HitStore(database, policies)
    assert policies.of(an_app) == DEFAULT_POLICY
    AppPolicies(database).change(an_app, lambda _: TOKYO)
    assert store.write([a_hit(an_app, "1", at=NOON + DAY // 4)]) == []
    assert _days(database, an_app) == [NOON // DAY + 1]
    require_in_step(database, an_app)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: zone_named("Mars/Olympus"),
        lambda: zone_named("../../etc/passwd"),
        lambda: zone_named(""),
    ],
)
def test_a_zone_that_is_none_is_refused(wrong: Callable[[], ZoneInfo]) -> None:
    """Only names of the IANA database are time zones."""
    with pytest.raises(ValidationFailed) as caught:
        wrong()
    assert caught.value.fields is not None
    assert "time_zone" in caught.value.fields


def test_what_cannot_be_is_refused(database: Database, an_app: str) -> None:
    """A retention has at least a day, and a change an app."""
    policies = AppPolicies(database)
    for days in (0, -1, 36_501):
        with pytest.raises(ValidationFailed):
            policies.change(an_app, lambda now, days=days: replace(now, retention_days=days))  # type: ignore[misc] # a default argument in a lambda has no place for its type
    with pytest.raises(NotFound):
        policies.change("nobody", lambda _: TOKYO)


def test_while_the_database_is_down_the_last_answer_counts() -> None:
    """What was read stays; of others addresses are truncated; it asks again ten seconds later."""
    clock = Clock()
    with temporary_mariadb() as url:
        database = Database(url, inline)
        database.migrate()
        policies = AppPolicies(database, clock)
        made = datetime.now(UTC)
        database.run(lambda session: session.add(App(id="shop", name="shop", created_at=made)))
        policies.change("shop", lambda _: TOKYO)
        assert policies.of("shop") == TOKYO
    database.close()
    clock.now = FRESH_SECONDS
    for _ in range(2):
        assert (policies.of("shop"), policies.of("blog")) == (TOKYO, DEFAULT_POLICY)
    assert policies.failed == 2
    clock.now = 2 * FRESH_SECONDS
    assert policies.of("shop") == TOKYO
    assert policies.failed == 3


def test_a_call_does_not_wait_for_a_slow_database() -> None:
    """While the database stands still the last answer counts, or truncation, after a moment."""
    clock = Clock()
    with temporary_mariadb() as url, FaultProxy(make_url(url).port or 3306) as proxy:
        by_proxy = make_url(url).set(host="127.0.0.1", port=proxy.port)
        database = Database(by_proxy.render_as_string(hide_password=False), inline)
        database.migrate()
        policies = AppPolicies(database, clock)
        made = datetime.now(UTC)
        database.run(lambda session: session.add(App(id="shop", name="shop", created_at=made)))
        policies.change("shop", lambda _: TOKYO)
        assert policies.soon("shop") == TOKYO
        clock.now = FRESH_SECONDS
        proxy.half_open()
        began = time.monotonic()
        assert (policies.soon("shop"), policies.soon("blog")) == (TOKYO, DEFAULT_POLICY)
        assert time.monotonic() - began < 1.0
        proxy.cut()
        wait_until(lambda: policies.failed == 2, "the end of both looks", 20)
        database.close()
