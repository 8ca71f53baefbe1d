"""Clients that come back to another host while something is wrong between that one and Redis."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from tests.hosts.conftest import Fleet, fleet, publish, ready_of
from tests.recovery.conftest import EVENT
from tests.recovery.returning import Returning
from tests.services.herald import HeraldServer, wait_until
from tests.services.redis_server import RedisServer
from webapp.hosts.entry import GoneEntry, header_of
from webapp.realtime.redis_sessions import PREFIX

FROZEN_SECONDS = 0.3
CLIENTS = 20
RECOVERY_SECONDS = 12
CONNECTIONS = 300
EVENTS = "{herald}:events"
"""The stream of events, as it is called in Redis."""

MOST_SECONDS = 3600
OLD_ENTRIES = 300


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer("everysec") as server:
        yield server


@pytest.fixture(scope="module")
def two(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home = tmp_path_factory.mktemp("two")
    database = f"sqlite:///{home / 'shared.db'}"
    away = {"RECOVERY_SECONDS": str(RECOVERY_SECONDS)}
    with fleet(home, [redis.url] * 2, database, **away) as started:
        yield started


@contextmanager
def clients_at_first(two: Fleet, redis: RedisServer, count: int) -> Iterator[Sequence[Returning]]:
    """Have so many clients at the first host, which have had the event 1 there, and lost it.

    They come back to the second one.
    """
    with ExitStack() as stack, Redis.from_url(redis.url) as asking:
        clients = [
            stack.enter_context(Returning(two.hosts[0].port, two.key)).come("ours")
            for _ in range(count)
        ]
        publish(two.hosts[0], two.key, {"event": EVENT, "data": {"n": 1}, "room": "ours"})
        for client in clients:
            client.read_to(1)
        names = [PREFIX + client.pid for client in clients]
        wait_until(lambda: asking.exists(*names) == count, "all sessions in Redis")
        for client in clients:
            client.vanish()
            client.port = two.hosts[1].port
        yield clients


def refused(two: Fleet) -> dict[str, int]:
    """Return how many clients the second host has had begin anew, by the reason."""
    told: dict[str, int] = ready_of(two.hosts[1]).json()["recovery"]["refused"]
    return told


def test_redis_says_nothing_for_a_moment(two: Fleet, redis: RedisServer) -> None:
    """Whoever comes to another host just then waits for that moment, and recovers."""
    before = refused(two)
    with clients_at_first(two, redis, CLIENTS) as clients:
        publish(two.hosts[1], two.key, {"event": EVENT, "data": {"n": 2}, "room": "ours"})
        redis.freeze()
        thaw = threading.Timer(FROZEN_SECONDS, redis.thaw)
        thaw.start()
        try:
            for client in clients:
                client.begin()
            answered = [client.await_answer().recovered for client in clients]
        finally:
            thaw.join()
        assert (answered.count(True), refused(two)) == (CLIENTS, before)
        assert [client.read_to(2) for client in clients] == [[1, 2]] * CLIENTS


def test_redis_says_nothing_for_longer(two: Fleet, redis: RedisServer) -> None:
    """Then they begin anew, and it is counted why: not as if nobody had known them."""
    before = refused(two)
    with clients_at_first(two, redis, 1) as (client,):
        redis.freeze()
        try:
            assert not client.come().recovered
        finally:
            redis.thaw()
        after = refused(two)
        why = {reason: after[reason] - before.get(reason, 0) for reason in after}
        assert {reason: count for reason, count in why.items() if count} == {
            "sessions out of reach": 1
        }
    two.await_all()


def test_a_host_that_has_not_heard_of_all(two: Fleet, redis: RedisServer) -> None:
    """What a client has had and its new host has not is no reason to give the session up."""
    before = refused(two).get("host is behind", 0)
    with clients_at_first(two, redis, 1) as (client,), Redis.from_url(redis.url) as asking:
        pid, offset = client.pid, client.offset
        epoch, _, position = offset.partition(".")
        client.offset = f"{epoch}.9{position}"
        assert not client.come().recovered
        assert refused(two)["host is behind"] == before + 1
        assert asking.exists(PREFIX + pid)
        client.pid, client.offset = pid, offset
        assert client.come().recovered


def test_many_hosts_come_and_go_meanwhile(two: Fleet, redis: RedisServer) -> None:
    """Each connection of a host to Redis begins an epoch: a fleet is rolled out, a line flaps."""
    with clients_at_first(two, redis, 1) as (client,), Redis.from_url(redis.url) as asking:
        for number in range(CONNECTIONS):
            ((last, _),) = asking.xrevrange(EVENTS, count=1)
            epoch = f"{number:012x}-{last.decode()}"
            asking.set("{herald}:epoch", epoch)
            gone = header_of(GoneEntry(host=f"h{number}"))
            asking.xadd(EVENTS, {"e": epoch, "h": gone, "p": ""})
        publish(two.hosts[0], two.key, {"event": EVENT, "data": {"n": 2}, "room": "ours"})
        assert client.come().recovered
        assert client.read_to(2) == [1, 2]


def test_who_may_be_away_for_an_hour(tmp_path: Path) -> None:
    """The stream is kept for as long, for hosts that start meanwhile."""
    with RedisServer() as redis, Redis.from_url(redis.url) as asking:
        now, _ = asking.time()
        ages = (3 * MOST_SECONDS, MOST_SECONDS)
        for number, age in enumerate(age for age in ages for _ in range(OLD_ENTRIES)):
            gone = header_of(GoneEntry(host=f"h{number}"))
            asking.xadd(EVENTS, {"e": "e", "h": gone}, id=f"{(now - age) * 1000}-{number}")
        with HeraldServer(
            tmp_path, {"REDIS_URL": redis.url, "RECOVERY_SECONDS": str(MOST_SECONDS)}
        ):
            wait_until(lambda: asking.xlen(EVENTS) < 2 * OLD_ENTRIES, "what is too old to go")
            kept = asking.xrange(EVENTS, min=(now - MOST_SECONDS) * 1000, max=(now - 60) * 1000)
            assert len(kept) == OLD_ENTRIES


def test_a_host_is_killed(two: Fleet, redis: RedisServer) -> None:
    """Its clients have all of the time that is promised, whenever their sessions were kept last."""
    with (
        Returning(two.hosts[0].port, two.key).come("ours") as client,
        Redis.from_url(redis.url) as asking,
    ):
        name, left = PREFIX + client.pid, [0]

        def is_kept_anew() -> bool:
            left.append(asking.pttl(name))
            return left[-1] > left[-2] > 0

        wait_until(lambda: asking.exists(name) == 1, "the session")
        wait_until(is_kept_anew, "the next time that it is kept", RECOVERY_SECONDS)
        assert min(left[1:]) > RECOVERY_SECONDS * 1000
        two.hosts[0].kill()
        publish(two.hosts[1], two.key, {"event": EVENT, "data": {"n": 1}, "room": "ours"})
        client.port = two.hosts[1].port
        assert client.come().recovered
        assert client.read_to(1) == [1]
    two.hosts[0].start()
    two.await_all()
