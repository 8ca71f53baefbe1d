"""What one call waits for Redis and for other hosts, in all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

from tests.services.redis_server import RedisServer
from webapp import call_budget
from webapp.access.windows import Windows
from webapp.call_budget import CALL_SECONDS, CallBudget
from webapp.events.fan_out import Patience
from webapp.events.kept_answers import Kept
from webapp.events.shared_answers import ANSWER_SECONDS, Claim, SharedAnswers
from webapp.prompt_redis import ANSWER_SECONDS as COUNTED_SECONDS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEPT = Kept(b"d" * 32, b"{}")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def shared(redis: RedisServer) -> Iterator[SharedAnswers]:
    answers = SharedAnswers(redis.url, 60)
    yield answers
    answers.close()


def in_a_call(call: Callable[[], None]) -> None:
    """Have a call over HTTP do this."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        del environ
        call()
        start_response("204 NO CONTENT", [])
        return []

    assert Client(CallBudget(app)).get("/").status_code == 204


def patience() -> float:
    """Return for how many seconds an event that is published now is waited for."""
    told = [0.0]
    Patience().spend(lambda deadline: told.append(deadline - time.monotonic()))
    return told[-1]


def test_what_one_step_waits_the_others_do_not(redis: RedisServer, shared: SharedAnswers) -> None:
    """Counting, keeping answers and waiting for hosts have one budget, while Redis hangs."""
    windows, left = Windows(redis_url=redis.url), []

    def count_first() -> None:
        assert windows.incr("key", 60) == 1
        left.append((patience(), CALL_SECONDS - COUNTED_SECONDS))

    def claim_first() -> None:
        assert isinstance(shared.claim("app", "frozen"), Claim)
        left.append((patience(), CALL_SECONDS - ANSWER_SECONDS))
        shared.claim("app", "frozen too")

    redis.freeze()
    try:
        in_a_call(count_first)
        in_a_call(claim_first)
    finally:
        redis.thaw()
        windows.close()
    assert [told <= most for told, most in left] == [True, True]
    assert (windows.failures, shared.failures) == (1, 1)


def test_each_call_has_its_own(shared: SharedAnswers) -> None:
    """What one has waited the next one on the same connection does not pay for."""

    def spend_all() -> None:
        call_budget.spend(CALL_SECONDS)
        assert patience() == 0.0
        assert isinstance(shared.claim("app", "late"), Claim)
        assert shared.failures == 0

    in_a_call(spend_all)
    in_a_call(lambda: call_budget.spend(0.0 if patience() else 1.0))
    assert call_budget.seconds_left() == float("inf")


def test_a_late_call_is_kept_for_other_hosts_too(redis: RedisServer, shared: SharedAnswers) -> None:
    """Its answer is kept behind it."""

    def wait_too_long() -> None:
        claim = shared.claim("app", "behind")
        assert isinstance(claim, Claim)
        call_budget.spend(CALL_SECONDS)
        shared.keep(claim, KEPT)

    in_a_call(wait_too_long)
    other = SharedAnswers(redis.url, 60)
    try:
        assert other.claim("app", "behind") == KEPT
    finally:
        other.close()
