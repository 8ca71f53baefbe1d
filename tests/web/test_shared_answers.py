"""``Idempotency-Key`` on several hosts that share a Redis."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.services.redis_server import RedisServer
from webapp.errors import CallInProgress, RecordLost, Unavailable
from webapp.events.idempotency import IdempotentAnswers
from webapp.events.kept_answers import Kept
from webapp.events.shared_answers import Claim, SharedAnswers

EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}
SECRET = "0123456789abcdef0123456789abcdef"
LATE, IN_TIME = Kept(b"d" * 32, b'"late"'), Kept(b"d" * 32, b'"in time"')


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
        claim = first.claim("app", "k-4")
        assert isinstance(claim, Claim)
        with pytest.raises(CallInProgress) as refused:
            second.claim("app", "k-4")
        assert refused.value.retry_after is not None
        kept = Kept(b"d" * 32, b"{}")
        first.keep(claim, kept)
        assert second.claim("app", "k-4") == kept
    finally:
        first.close()
        second.close()


def test_a_claim_that_was_lost_harms_nobody(redis: RedisServer) -> None:
    """Who took so long that another host has the claim neither frees it nor answers over it."""
    slow, other = SharedAnswers(redis.url, 60), SharedAnswers(redis.url, 60)
    try:
        ends: list[Callable[[Claim], None]] = [slow.release, lambda claim: slow.keep(claim, LATE)]
        for number, end in enumerate(ends):
            late = slow.claim("app", f"lost-{number}")
            assert isinstance(late, Claim)
            with Redis.from_url(redis.url) as client:
                client.delete(late.name)
            claim = other.claim("app", f"lost-{number}")
            assert isinstance(claim, Claim)
            end(late)
            other.keep(claim, IN_TIME)
            end(late)
            assert slow.claim("app", f"lost-{number}") == IN_TIME
    finally:
        slow.close()
        other.close()


def test_waiting_for_another_host_holds_up_no_other_call(redis: RedisServer) -> None:
    """While one call waits for another host, calls with other keys are answered."""
    shared, other = SharedAnswers(redis.url, 60), SharedAnswers(redis.url, 60)
    answers = IdempotentAnswers(shared)
    claim = other.claim("app", "waits")
    assert isinstance(claim, Claim)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answers.answer, "app", "waits", b"", lambda: ({}, lambda: None))
        for number in range(100):
            assert answers.answer("app", f"free-{number}", b"", lambda: ({}, lambda: None)) == {}
        assert not waiting.done()
        other.release(claim)
        assert waiting.result(5) == {}
    answers.close()
    other.close()


def test_what_is_not_confirmed_is_not_shared(redis: RedisServer) -> None:
    """Another host neither gives nor makes again what this one cannot confirm yet."""
    shared, other = SharedAnswers(redis.url, 60), SharedAnswers(redis.url, 60)
    answers, failures = IdempotentAnswers(shared), [Unavailable("not stored yet")]

    def confirm() -> None:
        if failures:
            raise failures.pop()

    def ask() -> JsonObject:
        return answers.answer("app", "late", b"", lambda: ({"id": "1"}, confirm))

    with pytest.raises(Unavailable):
        ask()
    with pytest.raises(CallInProgress):
        other.claim("app", "late")
    assert ask() == {"id": "1"}
    assert isinstance(other.claim("app", "late"), Kept)
    answers.close()
    other.close()


def test_what_is_lost_may_be_made_again(redis: RedisServer) -> None:
    """A call whose record is lost leaves its key free, here and for the other host."""
    shared, other = SharedAnswers(redis.url, 60), SharedAnswers(redis.url, 60)
    answers, failures = IdempotentAnswers(shared), [RecordLost("lost"), Unavailable("late")]

    def confirm() -> None:
        if failures:
            raise failures.pop()

    for kind in (Unavailable, RecordLost):
        with pytest.raises(kind):
            answers.answer("app", "lost", b"", lambda: ({"id": "1"}, confirm))
    claim = other.claim("app", "lost")
    assert isinstance(claim, Claim)
    other.release(claim)
    assert answers.answer("app", "lost", b"", lambda: ({"id": "2"}, confirm)) == {"id": "2"}
    answers.close()
    other.close()


def test_redis_gone() -> None:
    """Without Redis every claim is granted, and the failures are counted."""
    answers = SharedAnswers("redis://127.0.0.1:1/0", 60)
    assert isinstance(answers.claim("app", "k-5"), Claim)
    assert answers.failures == 1
    answers.close()
