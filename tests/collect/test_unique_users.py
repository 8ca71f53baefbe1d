"""The sums are what the hits add up to, whatever comes in whatever order."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.collect.sums import (
    DAY,
    NOON,
    a_hit,
    distinct_users,
    require_in_step,
    unique_users,
)
from tests.services.cases import SCALE
from webapp.collect.hit import Hit
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database
from webapp.storage.hit_tables import ANY_EVENT, SPAN

FIRST = NOON // DAY
DAYS = (0, 1, 2, SPAN - 1, SPAN, SPAN + 1, SPAN + 9, 2 * SPAN, 3 * SPAN - 1, 3 * SPAN, 4 * SPAN)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

_HITS = st.builds(
    a_hit,
    st.just("app"),
    st.integers(0, 60).map(str),
    event=st.sampled_from(["view", "buy", "Buy"]),
    at=st.sampled_from(DAYS).map(lambda day: NOON + day * DAY + day % 2 * DAY // 3),
    user_id=st.sampled_from(["ada", "Ada", "bob", "eve", None]),
    user_agent=st.sampled_from([None, None, None, BOT]),
)
_BATCHES = st.lists(st.lists(_HITS, max_size=12), max_size=8)
_RANGES = st.lists(st.tuples(*[st.integers(-2, DAYS[-1] + 2)] * 2), min_size=5, max_size=5)


@settings(max_examples=20 * SCALE)
@given(batches=_BATCHES, ranges=_RANGES)
def _hold(
    store: HitStore,
    database: Database,
    batches: Sequence[Sequence[Hit]],
    ranges: Sequence[tuple[int, int]],
) -> None:
    app_id = str(uuid4())
    for batch in batches:
        assert store.write([replace(hit, app_id=app_id) for hit in batch]) == []
    require_in_step(database, app_id)
    for event in (ANY_EVENT, "view", "buy"):
        for one, other in ranges:
            asked = app_id, event, FIRST + min(one, other), FIRST + max(one, other)
            assert unique_users(database, *asked) == distinct_users(database, *asked)


def test_unique_users_of_any_range_are_what_a_plain_count_says(
    store: HitStore, database: Database
) -> None:
    """Random hits, some of them twice, days late, in random batches: all sums are exact."""
    _hold(store, database)
