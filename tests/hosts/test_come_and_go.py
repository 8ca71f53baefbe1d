"""Hosts that come and go, and clients that come back on another one for what they missed."""

import json
import signal
import time
from collections.abc import Iterator

import pytest

from logger_lib import JsonObject
from tests.hosts.conftest import (
    Fleet,
    fleet,
    hold_to_promise,
    hosts_of,
    is_ready,
    listening,
    load,
    publish,
)
from tests.services.crowd import Crowd
from tests.services.databases import temporary_postgresql
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer, wait_until
from tests.services.ledger import Arrivals, Ledger, judge_deliveries
from tests.services.node import NodeProcess, NodeSocket
from tests.services.publishers import Publishers
from tests.services.redis_server import RedisServer

EVENT = "order.created"
BODY: JsonObject = {"event": EVENT, "data": {}}
DEAD_SECONDS = 10.0
"""After which a host that says nothing is taken for dead."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer("everysec") as server:
        yield server


@pytest.fixture(scope="module")
def two(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with (
        temporary_postgresql() as database,
        fleet(tmp_path_factory.mktemp("two"), [redis.url] * 2, database) as started,
    ):
        yield started


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    with NodeProcess() as process:
        yield process


def open_through(node: NodeProcess, proxy: FaultProxy, key: str) -> NodeSocket:
    """Return a socket of the stock client that comes back at once, and recovers."""
    return node.open(
        f"http://127.0.0.1:{proxy.port}",
        key,
        ["websocket"],
        recovery=True,
        reconnectionDelay=20,
        reconnectionDelayMax=200,
        timeout=2000,
    )


def publish_number(host: HeraldServer, key: str, number: int) -> JsonObject:
    """Publish the event with this number at one host and return the answer."""
    answer = host.post("/events", {"event": EVENT, "data": {"n": number}}, key)
    assert answer.status_code == 202, answer.text
    told: JsonObject = answer.json()
    return told


def numbers(socket: NodeSocket, event: str = EVENT) -> list[int]:
    """Return the numbers that came with an event, in order."""
    return [int(json.loads(json.dumps(data))["n"]) for data in socket.received(event)]


def test_the_stock_client_recovers_on_another_host(two: Fleet, node: NodeProcess) -> None:
    """``socket.recovered`` is true, and what was missed is there, each event once, in order."""
    first, second = two.hosts
    with FaultProxy(first.port) as balancer:
        socket = open_through(node, balancer, two.key)
        sid = socket.connected()
        publish_number(first, two.key, 0)
        publish_number(second, two.key, 1)
        socket.wait_for_events(EVENT, 2)
        balancer.cut()
        socket.wait_for("disconnect")
        for number in range(2, 8):
            publish_number(two.hosts[number % 2], two.key, number)
        balancer.point_to(second.port)
        assert socket.came_back()
        assert socket.connected(2) == sid
        for number in range(8, 10):
            publish_number(two.hosts[number % 2], two.key, number)
        socket.wait_for_events(EVENT, 10)
        assert numbers(socket) == list(range(10))


def test_a_client_that_got_events_before_redis_had_them_recovers_elsewhere(
    two: Fleet, node: NodeProcess, redis: RedisServer
) -> None:
    """What its host gave it while Redis was away it does not get again from another one.

    Nor what its host gave a room before it joined that.
    """
    first, second = two.hosts
    with FaultProxy(first.port) as balancer:
        socket = open_through(node, balancer, two.key)
        socket.connected()
        publish_number(first, two.key, 0)
        redis.freeze()
        for number in range(1, 4):
            assert publish_number(first, two.key, number)["unreached"] == [two.ids()[1]]
        socket.wait_for_events(EVENT, 4)
        before: JsonObject = {"event": EVENT, "data": {"n": 99}, "room": "joined later"}
        assert first.post("/events", before, two.key).status_code == 202
        socket.join("joined later")
        balancer.cut()
        socket.wait_for("disconnect")
        publish_number(first, two.key, 4)
        redis.thaw()
        two.await_all()
        balancer.point_to(second.port)
        assert socket.came_back()
        publish_number(second, two.key, 5)
        socket.wait_for_events(EVENT, 6)
        assert numbers(socket) == list(range(6))


def test_a_host_killed_under_load(two: Fleet) -> None:
    """The others go on, wait for it no longer than for Redis, and know soon that it is dead."""
    survivor, victim = two.hosts
    with (
        Crowd(victim.port, 3, two.key),
        listening(Fleet(two.hosts[:1], two.key), 5) as running,
        Publishers(survivor.port, two.key, running.ledger, count=2, rate=40) as publishing,
    ):
        ledger = running.ledger
        ledger.await_acknowledged(20)
        gone = two.ids()[1]
        victim.kill()
        killed_at = time.monotonic()
        wait_until(lambda: hosts_of(survivor)["others"] == 0, "the death of a host", 25)
        took = time.monotonic() - killed_at
        ledger.await_acknowledged(20)
        publishing.stop()
        running.await_all()
        verdict = running.judge()
        told = [entry for entry in ledger.entries if entry.unreached]
        times = ledger.answer_times()
        print(
            f"a host killed: known to be dead after {took:.1f} s, {len(told)} of"
            f" {len(ledger.entries)} posts told of it; {verdict}"
        )
        assert verdict.faults == {}
        assert {entry.unreached for entry in told} == {(gone,)}
        hold_to_promise(times)
        assert took < DEAD_SECONDS + 5
        assert not ledger.entries[-1].unreached
    victim.start()
    two.await_all()
    with Crowd(victim.port, 1, two.key) as crowd:
        assert publish(survivor, two.key, BODY)["recipients"] == 1
        crowd.wait_for_events(1)


def test_a_host_that_ends_in_order_is_not_waited_for(two: Fleet) -> None:
    """It says that it is gone; who comes anew under its name is another host."""
    survivor, leaver = two.hosts
    before = two.ids()[1]
    leaver.stop()
    assert hosts_of(survivor)["others"] == 0
    assert "unreached" not in publish(survivor, two.key, BODY)
    leaver.start()
    two.await_all()
    assert two.ids()[1] != before


@pytest.mark.timeout(180)
def test_rolling_restart(two: Fleet, node: NodeProcess) -> None:
    """Hosts replaced one after the other under load: clients that recover miss nothing."""
    first, second = two.hosts
    ledger = Ledger()
    with FaultProxy(first.port) as one, FaultProxy(second.port) as other:
        sockets = [open_through(node, proxy, two.key) for proxy in (one, other) * 3]
        for socket in sockets:
            socket.connected()
        with (
            Publishers(first.port, two.key, ledger, rate=20, count=2, keep_alive=False),
            Publishers(second.port, two.key, ledger, rate=20, count=2, keep_alive=False, first=2),
        ):
            ledger.await_acknowledged(20)
            for host, standby in ((first, second), (second, first)):
                for proxy in (one, other):
                    proxy.point_to(standby.port, cuts=False)
                host.stop()
                ledger.await_acknowledged(20)
                host.start()
                two.await_all()
                ledger.await_acknowledged(20)
        wanted = sum(entry.acknowledged for entry in ledger.entries)
        for socket in sockets:
            socket.wait_for_events(ledger.event, wanted)
        arrivals = [Arrivals(numbers(socket, ledger.event)) for socket in sockets]
        verdict = judge_deliveries(ledger, arrivals)
        connects = [connect[1] for socket in sockets for connect in socket.seen("connect")[1:]]
        print(
            f"rolling restart of two hosts: posted {len(ledger.entries)}, acknowledged {wanted};"
            f" {verdict}; {len(connects)} times came back, recovered {connects.count(True)}"
        )
        assert verdict.faults == {}
        assert connects
        assert all(connects)


def test_what_one_host_is_still_to_say_it_says_at_its_end(two: Fleet, redis: RedisServer) -> None:
    """A host that is stopped while Redis is away waits for it, as long as it may."""
    first, second = two.hosts
    with Crowd(second.port, 1, two.key) as crowd:
        redis.freeze()
        for number in range(3):
            publish_number(first, two.key, number)
        first.process.send_signal(signal.SIGTERM)
        first.wait_for_log("Handling signal: term")
        redis.thaw()
        crowd.wait_for_events(3)
        assert crowd.members[0].data(EVENT) == [0, 1, 2]
        first.stop()
    first.start()
    two.await_all()


def test_load_on_hosts_that_just_came(two: Fleet) -> None:
    """After all of that the two are as they were."""
    with load(two) as running:
        running.ledger.await_acknowledged(40)
    assert running.judge().faults == {}


def test_hosts_that_keep_nothing_for_clients_hear_each_other_from_the_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With ``RECOVERY_SECONDS=0`` a host that has just joined knows the others, too."""
    settings = {"RECOVERY_SECONDS": "0"}
    with (
        RedisServer() as redis,
        temporary_postgresql() as database,
        fleet(tmp_path_factory.mktemp("none"), [redis.url] * 2, database, **settings) as hosts,
        Crowd(hosts.hosts[0].port, 1, hosts.key) as crowd,
    ):
        assert publish(hosts.hosts[1], hosts.key, BODY)["recipients"] == 1
        hosts.hosts[1].stop()
        hosts.hosts[1].start()
        wait_until(lambda: is_ready(hosts.hosts[1]), "a host that is ready")
        assert hosts_of(hosts.hosts[1])["others"] == 1
        assert publish(hosts.hosts[1], hosts.key, BODY)["recipients"] == 1
        crowd.wait_for_events(2)
