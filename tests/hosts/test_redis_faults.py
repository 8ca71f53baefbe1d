"""Redis away under load, in every way: nothing acknowledged is lost or doubled, no post waits."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from logger_lib import JsonObject
from tests.hosts.conftest import (
    AWAY_SECONDS,
    SLACK,
    Fleet,
    Load,
    fleet,
    hold_to_promise,
    hosts_of,
    is_ready,
    load,
    report,
    two_hosts,
)
from tests.services.databases import temporary_postgresql
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import wait_until
from tests.services.redis_server import RedisServer

pytestmark = pytest.mark.timeout(120 + 3 * AWAY_SECONDS)

BACK_SECONDS = 2.0
"""How long after Redis is back a host may take to hear the others again."""

COUNTED = {"RATE_LIMIT_PUBLISH": "1000000/minute"}
"""So that each post asks Redis to count it, too."""

AROUND = 20
"""Events before a fault, and after it."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer("everysec") as server:
        yield server


@pytest.fixture(scope="module")
def two(
    redis: RedisServer, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two hosts, of which the second asks Redis through the proxy."""
    with two_hosts(tmp_path_factory.mktemp("two"), redis, proxy, **COUNTED) as started:
        yield started


def go_through(what: str, hosts: Fleet, fault: Callable[[], None], end: Callable[[], None]) -> Load:
    """Publish before, in and after a fault; print the ledger and hold it to what is promised."""
    with load(hosts) as running:
        running.ledger.await_acknowledged(AROUND)
        began = time.monotonic()
        fault()
        wait_until(lambda: running.early() > 0, "an answer that tells of unreached hosts")
        running.ledger.await_acknowledged(AROUND)
        while time.monotonic() < began + AWAY_SECONDS:
            running.ledger.await_acknowledged(AROUND)
        end()
        took = time.monotonic() - began
        # What waited all the time has to be handed on first.
        assert await_hearing(hosts) < BACK_SECONDS + SLACK + AWAY_SECONDS / 20
        running.ledger.await_acknowledged(AROUND)
    report(what, running, began, took)
    return running


def await_hearing(hosts: Fleet) -> float:
    """Return when all hosts hear each other again; say how long that took."""
    began = time.monotonic()
    hosts.await_all()
    return time.monotonic() - began


def test_redis_killed_and_restarted(two: Fleet, redis: RedisServer) -> None:
    """Its append-only file brings the stream back; what was posted meanwhile comes after it."""
    go_through("Redis killed and restarted", two, redis.kill, redis.start)


def test_redis_frozen(two: Fleet, redis: RedisServer) -> None:
    """It takes what it is sent and answers nothing: nobody can know what it has done of that."""
    go_through("Redis frozen", two, redis.freeze, redis.thaw)


def test_redis_frozen_and_repeatable_posts(two: Fleet, redis: RedisServer) -> None:
    """Three times is Redis asked for such a post: none of them waits for the sum of that."""
    host, times = two.hosts[0], []
    redis.freeze()
    try:
        until = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < until:
            name, began = uuid.uuid4().hex, time.monotonic()
            body: JsonObject = {"event": "x", "data": {}}
            answer = host.post("/events", body, two.key, **{"Idempotency-Key": name})
            times.append(time.monotonic() - began)
            assert answer.status_code == 202
    finally:
        redis.thaw()
    hold_to_promise(times)
    two.await_all()


def test_one_host_cut_off_half_open(two: Fleet, proxy: FaultProxy) -> None:
    """One host alone does not reach Redis; connections that are open just say nothing."""
    go_through("one host cut off, half-open", two, proxy.half_open, proxy.heal)


def test_one_host_cut_off_with_reset(two: Fleet, proxy: FaultProxy) -> None:
    """One host alone is refused."""
    go_through("one host cut off, reset", two, proxy.cut, proxy.heal)


def test_redis_that_refuses_to_write(two: Fleet, redis: RedisServer) -> None:
    """Full, it still says what is in the stream; the hosts are out of each other's reach."""
    with Redis.from_url(redis.url) as client:
        go_through(
            "Redis full",
            two,
            lambda: client.config_set("maxmemory", "1"),
            lambda: client.config_set("maxmemory", "0"),
        )


def test_while_redis_is_away_hosts_are_ready_and_tell_of_it(two: Fleet, redis: RedisServer) -> None:
    """A load balancer that took all hosts away would make it worse."""
    host = two.hosts[0]
    redis.kill()
    try:
        wait_until(lambda: hosts_of(host)["state"] == "out of reach", "the state")
        assert is_ready(host)
        answer = host.post("/events", {"event": "x", "data": {}}, two.key).json()
        assert answer["unreached"] == [two.ids()[1]]
        assert hosts_of(host)["waiting"] == 1
        assert "since" in hosts_of(host)
    finally:
        redis.start()
    two.await_all()
    assert hosts_of(host)["waiting"] == 0
    assert "reached again" in host.log_text()


def test_a_redis_that_forgets_everything(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without an append-only file: what it had taken and not handed on is appended again."""
    with (
        RedisServer() as forgetful,
        temporary_postgresql() as database,
        fleet(tmp_path_factory.mktemp("forget"), [forgetful.url] * 2, database) as two,
    ):
        go_through("Redis killed and restarted, empty", two, forgetful.kill, forgetful.start)


def test_failover_to_a_replica(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The replica is made the master, and stands at the address of the one that is gone."""
    with (
        RedisServer("everysec") as master,
        RedisServer("everysec") as replica,
        FaultProxy(master.port) as address,
        Redis.from_url(replica.url) as client,
        temporary_postgresql() as database,
    ):
        client.replicaof("127.0.0.1", str(master.port))
        wait_until(
            lambda: client.info("replication").get("master_link_status") == "up", "the replica"
        )

        def fail_over() -> None:
            client.replicaof("NO", "ONE")
            address.point_to(replica.port)

        urls = [f"redis://127.0.0.1:{address.port}/0"] * 2
        try:
            with fleet(tmp_path_factory.mktemp("failover"), urls, database) as two:
                go_through("failover to a replica", two, master.kill, fail_over)
        finally:
            master.start()
