"""``Idempotency-Key`` on several hosts that share a Redis."""

import time
from collections.abc import Iterator

import pytest

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.services.redis_server import RedisServer
from webapp.events.shared_answers import CallInProgress, SharedAnswers

EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis that the two hosts share."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def hosts(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[HeraldServer, HeraldServer]]:
    """Two hosts with one database and one Redis."""
    home = tmp_path_factory.mktemp("shared")
    environ = {
        "REDIS_URL": redis.url,
        "DATABASE_URL": f"sqlite:///{home / 'shared.db'}",
        "SECRET_KEY": SECRET,
    }
    with (
        HeraldServer(home / "one", environ) as one,
        HeraldServer(home / "two", environ) as other,
    ):
        yield one, other


def test_the_other_host_answers_alike(hosts: tuple[HeraldServer, HeraldServer]) -> None:
    """A call repeated at another host gets the first answer, and is not published there."""
    one, other = hosts
    answers = [
        host.post("/events", EVENT, one.first_key, **{"Idempotency-Key": "k-1"}) for host in hosts
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    refused = other.post(
        "/events", {**EVENT, "room": "x"}, one.first_key, **{"Idempotency-Key": "k-1"}
    )
    assert refused.json()["error"]["code"] == "idempotency_key_reused"


def test_a_refused_call_can_be_corrected(hosts: tuple[HeraldServer, HeraldServer]) -> None:
    """A call that was refused leaves its key free, also for the other host."""
    one, other = hosts
    headers = {"Idempotency-Key": "k-2"}
    assert one.post("/events", {"event": "a"}, one.first_key, **headers).status_code == 422
    assert other.post("/events", EVENT, one.first_key, **headers).status_code == 202


def test_redis_frozen(redis: RedisServer, hosts: tuple[HeraldServer, HeraldServer]) -> None:
    """With Redis frozen a host answers for itself, and soon."""
    one, _ = hosts
    redis.freeze()
    try:
        started = time.monotonic()
        answers = [
            one.post("/events", EVENT, one.first_key, **{"Idempotency-Key": "k-3"})
            for _ in range(2)
        ]
        assert time.monotonic() - started < 2
    finally:
        redis.thaw()
    assert answers[0].status_code == 202
    assert answers[0].json() == answers[1].json()


def test_a_call_under_way_elsewhere(redis: RedisServer) -> None:
    """A call that another host does not end in time is answered with 409 and when to come back."""
    first, second = SharedAnswers(redis.url, 60), SharedAnswers(redis.url, 60)
    try:
        assert first.claim("app", "k-4") is None
        with pytest.raises(CallInProgress) as refused:
            second.claim("app", "k-4")
        assert refused.value.retry_after is not None
        first.keep("app", "k-4", {"answer": {}})
        assert second.claim("app", "k-4") == {"answer": {}}
    finally:
        first.close()
        second.close()


def test_redis_gone() -> None:
    """Without Redis every claim is granted, and the failures are counted."""
    answers = SharedAnswers("redis://127.0.0.1:1/0", 60)
    assert answers.claim("app", "k-5") is None
    assert answers.failures == 1
    answers.close()
