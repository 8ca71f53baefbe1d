"""Where sessions are kept: for their time, for whoever takes them up, within their bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis

from tests.services.fault_proxy import FaultProxy
from tests.services.herald import wait_until
from tests.services.redis_server import RedisServer
from webapp.realtime.offsets import Offset
from webapp.realtime.redis_sessions import PREFIX, RedisSessions
from webapp.realtime.sessions import Claimant, MemorySessions, Session, SessionsOutOfReach

SECONDS = 30.0
LATE_SECONDS = 1.0
"""How late a write comes that nobody waits for any more."""
SESSION = Session(
    "the pid",
    "the sid",
    Claimant("app", "ada ß", by_room_token=True),
    {
        "ours": Offset("e", (1, 0)),
        "order.7 \U0001f600": Offset("e", (1_700_000_000_000, 3), (("h", 2),)),
    },
    "e.1-0~h.2",
    "first",
)


class Clock:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis of these tests' own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def stores(redis: RedisServer) -> Iterator[tuple[RedisSessions, RedisSessions]]:
    """Those of two hosts."""
    with Redis.from_url(redis.url) as client:
        client.flushall()
        client.config_resetstat()
    first, second = (RedisSessions(redis.url, SECONDS) for _ in range(2))
    yield first, second
    first.close(1.0)
    second.close(1.0)


def test_memory_forgets_in_time() -> None:
    """A session is there for its time, unless it is taken up or given up before."""
    clock = Clock()
    sessions = MemorySessions(SECONDS, clock=clock)
    assert sessions.find("the pid") is None
    sessions.keep(SESSION)
    clock.now = SECONDS - 1
    assert sessions.find("the pid") == SESSION
    sessions.keep(replace(SESSION, pid="another", sid="other"))
    clock.now = SECONDS
    assert sessions.find("the pid") is None
    assert sessions.find("another") is not None
    sessions.take(replace(SESSION, pid="another"), "first")
    assert len(sessions) == 0


def test_memory_is_bounded() -> None:
    """Where there is no room, the one that was first is given up, and counted."""
    sessions = MemorySessions(SECONDS, most=10)
    for number in range(25):
        sessions.keep(replace(SESSION, pid=str(number), sid=f"s{number}"))
    assert len(sessions) == 10
    assert sessions.given_up == 15
    assert sessions.find("14") is None
    assert sessions.find("15") is not None


def test_another_host_finds_it(stores: tuple[RedisSessions, RedisSessions]) -> None:
    """What one host has kept the other one finds, for as long as it is kept."""
    first, second = stores
    assert second.find("the pid") is None
    first.keep(SESSION)
    assert first.flush()
    assert second.find("the pid") == SESSION
    first.forget("the pid")
    assert second.find("the pid") is None


def test_it_ends_in_redis(redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]) -> None:
    """A session that nobody keeps anew goes by itself."""
    stores[0].keep(SESSION)
    assert stores[0].flush()
    with Redis.from_url(redis.url) as client:
        left = client.pttl(PREFIX + "the pid")
    assert isinstance(left, int)
    assert SECONDS * 1000 - 5000 < left <= SECONDS * 1000


def test_who_has_lost_it_has_no_say(stores: tuple[RedisSessions, RedisSessions]) -> None:
    """The late end of the old socket does not change what the new host keeps."""
    first, second = stores
    first.keep(SESSION)
    assert first.flush()
    taken = replace(SESSION, host="second", rooms={"new": Offset("e", (2, 0))})
    second.take(taken, "first")
    assert second.flush()
    first.keep(SESSION)
    assert first.flush()
    assert first.find("the pid") == taken


def test_a_redis_that_does_not_answer(
    redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]
) -> None:
    """Nobody waits for it: a host knows its own, and writes them down when Redis is back."""
    first, second = stores
    redis.freeze()
    try:
        began = time.monotonic()
        first.keep(SESSION)
        assert first.find("the pid") == SESSION
        with pytest.raises(SessionsOutOfReach):
            second.find("the pid")
        first.forget("another")
        assert not first.flush()
        assert time.monotonic() - began < 5.0
    finally:
        redis.thaw()
    wait_until(first.flush, "a write")
    wait_until(lambda: second.find("the pid") == SESSION, "the session on the other host")


def test_own_ones_without_redis(
    redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]
) -> None:
    """Without Redis a host goes by what it has kept itself, unless another one took it over."""
    first, _ = stores
    first.keep(SESSION)
    other = replace(SESSION, pid="another", sid="other")
    first.keep(other)
    assert first.flush()
    redis.freeze()
    try:
        assert first.find("another") == other
        first.release("other")
        with pytest.raises(SessionsOutOfReach):
            first.find("another")
        assert first.find("the pid") == SESSION
    finally:
        redis.thaw()


def test_given_up_without_redis(
    redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]
) -> None:
    """What is given up while Redis does not answer is not there any more when it does."""
    first, second = stores
    first.keep(SESSION)
    assert first.flush()
    redis.freeze()
    try:
        with pytest.raises(SessionsOutOfReach):
            first.find("nobody's")
        first.forget("the pid")
        assert first.find("the pid") is None
    finally:
        redis.thaw()
    wait_until(first.flush, "a write")
    assert second.find("the pid") is None


def test_taken_over_before_it_was_written(
    redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]
) -> None:
    """A session that another host has by now is not taken back by what still waited for Redis."""
    first, second = stores
    redis.freeze()
    try:
        first.take(SESSION, "dead")
        assert not first.flush()
    finally:
        redis.thaw()
    taken = replace(SESSION, host="second")
    second.take(taken, "dead")
    wait_until(second.flush, "a write")
    first.release("the sid")
    wait_until(first.flush, "what waits")
    wait_until(lambda: first.find("the pid") == taken, "the session of the other host")


def test_taken_over_while_it_was_written(
    redis: RedisServer, stores: tuple[RedisSessions, RedisSessions]
) -> None:
    """What a host wrote that has released the session since is not left, however late it comes."""
    _, second = stores
    second.keep(replace(SESSION, host="dead"))
    assert second.flush()
    taken = replace(SESSION, host="second")
    with FaultProxy(redis.port) as line, Redis.from_url(redis.url) as client:
        first = RedisSessions(f"redis://127.0.0.1:{line.port}/0", SECONDS)
        # So that it has a connection.
        first.forget("nobody's")
        line.delay(LATE_SECONDS)
        first.take(SESSION, "dead")
        assert not first.flush()
        found = second.find("the pid")
        assert found is not None
        second.take(taken, found.host)
        assert second.flush()
        first.release("the sid")
        wait_until(lambda: _scripts_run(client) == 3, "the write of the host that was first")
        assert second.find("the pid") == taken
        line.heal()
        wait_until(first.flush, "what the first host has still to say")
        first.close(1.0)
    assert second.find("the pid") == taken


def test_taken_over_by_two_at_once(stores: tuple[RedisSessions, RedisSessions]) -> None:
    """Who releases it leaves it to the one that has it, also where its own write came before."""
    first, second = stores
    second.keep(replace(SESSION, host="dead"))
    assert second.flush()
    first.take(SESSION, "dead")
    assert first.flush()
    taken = replace(SESSION, host="second", rooms={"new": Offset("e", (2, 0))})
    second.take(taken, "dead")
    assert second.flush()
    first.release("the sid")
    assert first.flush()
    second.keep(taken)
    assert second.flush()
    assert first.find("the pid") == taken


def _scripts_run(client: Redis) -> int:
    """Return how many scripts Redis has run since the test began."""
    told = client.info("commandstats").get("cmdstat_eval", {"calls": 0})
    return int(told["calls"])


def test_writing_is_bounded(redis: RedisServer) -> None:
    """What waits for Redis has a bound, and the last state of a session counts once."""
    sessions = RedisSessions(redis.url, SECONDS, most=10)
    for number in range(25):
        for _ in range(3):
            sessions.keep(replace(SESSION, pid=str(number), sid=f"s{number}"))
    assert len(sessions) == 10
    assert sessions.given_up == 15
    sessions.close(5.0)
    assert len(sessions) == 0
