"""A Redis that has lost what it had last: who comes back gets no event twice, and misses none."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from redis import Redis

from logger_lib import JsonObject
from tests.hosts.conftest import Fleet, fleet, is_ready, settings_of
from tests.services.databases import temporary_postgresql
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess, NodeSocket
from tests.services.redis_server import RedisServer
from webapp.hosts.stream_scripts import EVENTS

EVENT = "order.created"


@dataclass
class Pair:
    """A master and a replica behind one address, and two hosts that ask Redis there."""

    master: RedisServer
    replica: RedisServer
    address: FaultProxy
    hosts: Fleet
    late: HeraldServer
    """A host that has not begun yet."""

    published: int = field(default=0)

    def publish(self, host: HeraldServer, count: int = 1) -> None:
        """Publish the next events to all sockets."""
        for _ in range(count):
            body: JsonObject = {"event": EVENT, "data": {"n": self.published}}
            assert host.post("/events", body, self.hosts.key).status_code == 202
            self.published += 1

    def replicate(self) -> None:
        """Return when the replica has all that the master has, and have it get no more."""
        with Redis.from_url(self.master.url) as asked, Redis.from_url(self.replica.url) as other:
            last = asked.xrevrange(EVENTS, count=1)[0][0]
            wait_until(
                lambda: bool(other.xrange(EVENTS, min=last, count=1)), "the stream at the replica"
            )
            other.replicaof("NO", "ONE")

    def fail_over(self, gone: RedisServer, other: RedisServer) -> None:
        """Have the hosts go on with the other Redis, and return when they hear each other by it."""
        hosts = self.hosts.ids()
        gone.kill()
        with Redis.from_url(other.url) as client:
            had = client.xlen(EVENTS)
            self.address.point_to(other.port)

            def have_spoken() -> bool:
                said = [fields[b"h"].decode() for _, fields in client.xrange(EVENTS)[had:]]
                return all(any(host in each for each in said) for host in hosts)

            wait_until(have_spoken, "the hosts at the other Redis", 15)
        self.hosts.await_all()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    tmp_path = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        master, replica = (stack.enter_context(RedisServer()) for _ in range(2))
        address = stack.enter_context(FaultProxy(master.port))
        with Redis.from_url(replica.url) as client:
            client.replicaof("127.0.0.1", str(master.port))
            wait_until(
                lambda: client.info("replication").get("master_link_status") == "up", "the replica"
            )
        url = f"redis://127.0.0.1:{address.port}/0"
        database = stack.enter_context(temporary_postgresql())
        hosts = stack.enter_context(fleet(tmp_path, [url] * 2, database))
        late = HeraldServer(tmp_path / "late", settings_of(url, database, "queued"))
        yield Pair(master, replica, address, hosts, late)


@dataclass
class Client:
    """A stock client, and the network between it and its host."""

    socket: NodeSocket
    network: FaultProxy
    connects: int = 1

    def leave(self) -> None:
        """Lose the connection."""
        self.network.cut()
        self.socket.wait_for("disconnect", self.connects)

    def come_to(self, host: HeraldServer) -> bool:
        """Come back on a host; return whether it has recovered."""
        self.network.point_to(host.port)
        self.connects += 1
        return self.socket.came_back(self.connects)

    def numbers(self, count: int) -> list[int]:
        """Return the numbers of its events, when so many have come."""
        found = self.socket.wait_for_events(EVENT, count, 15)
        return [int(json.loads(json.dumps(data))["n"]) for data in found]


def clients(stack: ExitStack, host: HeraldServer, key: str, count: int) -> list[Client]:
    """Return clients of a host, each with a network of its own."""
    node = stack.enter_context(NodeProcess())
    found = []
    for _ in range(count):
        network = stack.enter_context(FaultProxy(host.port))
        socket = node.open(
            f"http://127.0.0.1:{network.port}",
            key,
            ["websocket"],
            recovery=True,
            reconnectionDelay=20,
            reconnectionDelayMax=200,
            timeout=2000,
        )
        socket.connected()
        found.append(Client(socket, network))
    return found


@pytest.mark.timeout(120)
def test_a_replica_that_lacked_the_last_events(pair: Pair) -> None:
    """They are appended again and get other positions; whoever had them does not get them again."""
    first, second = pair.hosts.hosts
    with ExitStack() as stack:
        gone, stayed, missed, unknown = clients(stack, first, pair.hosts.key, 4)
        pair.publish(first, 2)
        missed.numbers(2)
        missed.leave()
        pair.replicate()
        pair.publish(first, 2)
        pair.publish(second, 2)
        for client in (gone, stayed, unknown):
            client.numbers(6)
        for client in (gone, unknown):
            client.leave()
        pair.fail_over(pair.master, pair.replica)
        pair.publish(second)
        pair.publish(first)
        stayed.numbers(8)
        stayed.leave()
        stack.enter_context(pair.late)
        wait_until(lambda: is_ready(pair.late), "the host that joins")
        pair.publish(first)
        # The second host has read what was lost, too: it knows what the old offset stands for.
        assert gone.come_to(second)
        assert stayed.come_to(pair.late)
        assert missed.come_to(pair.late)
        # The late one has never heard of that: this client is told so, and given nothing twice.
        assert not unknown.come_to(pair.late)
        pair.publish(second)
        for client in (gone, stayed, missed):
            assert sorted(client.numbers(10)) == list(range(10))
        assert unknown.numbers(7) == [0, 1, 2, 3, 4, 5, 9]
        # And once more, by the offsets of the new epoch.
        for client, host in ((gone, pair.late), (stayed, first), (missed, second)):
            client.leave()
            assert client.come_to(host)
        pair.publish(pair.late)
        for client in (gone, stayed, missed):
            assert sorted(client.numbers(11)) == list(range(11))


@pytest.mark.timeout(120)
def test_a_redis_that_comes_back_empty(pair: Pair) -> None:
    """What it gets again nobody gets twice who had it, also where they come back elsewhere."""
    first, second = pair.hosts.hosts
    pair.published = 0
    with ExitStack() as stack:
        here, there = clients(stack, first, pair.hosts.key, 2)
        pair.publish(first, 3)
        pair.publish(second, 3)
        here.numbers(6)
        pair.master.start()
        pair.fail_over(pair.replica, pair.master)
        pair.publish(second)
        for each in (here, there):
            each.numbers(7)
            each.leave()
        pair.publish(first)
        assert here.come_to(second)
        assert there.come_to(first)
        pair.publish(first)
        for each in (here, there):
            assert sorted(each.numbers(9)) == list(range(9))
