"""Several Heralds on one Redis and one database, load on all of them, and what came of it.

The figures are printed: ``pytest tests/hosts -rP``. These make it longer:

``HERALD_TEST_HOST_SOCKETS``  how many sockets each of three hosts has (30)
``HERALD_TEST_HOST_EVENTS``   how many events they are posted (100)
``HERALD_TEST_AWAY_SECONDS``  how long Redis is away (2); from 10 on no post may take longer than is
                              promised, which needs a machine that does nothing else
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject
from tests.services.databases import temporary_postgresql
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer, wait_until
from tests.services.ledger import DeliveryVerdict, Ledger, judge_deliveries, share
from tests.services.listeners import Listeners
from tests.services.publishers import Publishers
from tests.services.redis_server import RedisServer
from webapp.access.scopes import Scope

SOCKETS = int(os.environ.get("HERALD_TEST_HOST_SOCKETS", "30"))
EVENTS = int(os.environ.get("HERALD_TEST_HOST_EVENTS", "100"))
AWAY_SECONDS = float(os.environ.get("HERALD_TEST_AWAY_SECONDS", "2"))

SLOWEST_POST = 0.3
"""Seconds that a post may take whatever Redis does."""
SLACK = 1.0
"""Seconds more, as everything stands still at times on a machine that others use."""
POST_SLACK = 0.0 if AWAY_SECONDS >= 10 else SLACK

SECRET = "for the tests of several hosts alone, and nothing else"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts that hear each other, and a key that may do all."""

    hosts: Sequence[HeraldServer]
    key: str

    def told(self, number: int) -> JsonObject:
        """Return what a host says of the others."""
        return hosts_of(self.hosts[number])

    def ids(self) -> list[str]:
        """Return what each host is called."""
        return [str(hosts_of(host)["id"]) for host in self.hosts]

    def await_all(self, seconds: float = 15.0) -> None:
        """Return when every host hears all others."""
        others = len(self.hosts) - 1
        wait_until(
            lambda: all(
                is_ready(host)
                and hosts_of(host)["state"] == "ok"
                and hosts_of(host)["others"] == others
                for host in self.hosts
            ),
            f"{len(self.hosts)} hosts that hear each other",
            seconds,
        )


def publish(host: HeraldServer, key: str, body: JsonObject, seconds: float = 20.0) -> JsonObject:
    """Publish an event and return the answer; anew while a host is late, as a busy machine's is.

    So it may be delivered several times: with the same data, one right behind the other.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = host.post("/events", body, key)
        assert answer.status_code == 202, answer.text
        told: JsonObject = answer.json()
        if "unreached" not in told or time.monotonic() > deadline:
            return told


def settings_of(redis_url: str, database_url: str, ack: str) -> dict[str, str]:
    """Return the environment of a host."""
    return {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET,
        "EVENT_ACK": ack,
    }


@contextmanager
def fleet(
    home: Path, redis_urls: Sequence[str], database_url: str, ack: str = "queued", **settings: str
) -> Iterator[Fleet]:
    """Start one host for each of ``redis_urls``, all on one database."""
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(
                HeraldServer(home / f"host{number}", settings_of(url, database_url, ack) | settings)
            )
            for number, url in enumerate(redis_urls)
        ]
        started = Fleet(hosts, hosts[0].issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, Scope.READ))
        started.await_all()
        yield started


@pytest.fixture(scope="module")
def proxy(redis: RedisServer) -> Iterator[FaultProxy]:
    """What stands between one host and the Redis of its module."""
    with FaultProxy(redis.port) as between:
        yield between


@contextmanager
def two_hosts(
    home: Path, redis: RedisServer, proxy: FaultProxy, **settings: str
) -> Iterator[Fleet]:
    """Start two hosts, of which the second asks Redis through the proxy."""
    urls = [redis.url, f"redis://127.0.0.1:{proxy.port}/0"]
    with temporary_postgresql() as database, fleet(home, urls, database, **settings) as started:
        yield started


def ready_of(host: HeraldServer) -> requests.Response:
    """Return what a host answers to whether it is ready."""
    return requests.get(f"{host.url}/health/ready", timeout=10)


def is_ready(host: HeraldServer) -> bool:
    """Say whether a host is ready."""
    return ready_of(host).status_code == 200


def hosts_of(host: HeraldServer) -> JsonObject:
    """Return what a host says of the others."""
    told = ready_of(host).json()["hosts"]
    assert isinstance(told, dict)
    return told


@dataclass(frozen=True, slots=True)
class Load:
    """Sockets at all hosts, and publishers at those that are asked."""

    ledger: Ledger
    listeners: Sequence[Listeners]

    def await_all(self, seconds: float = 15.0) -> None:
        """Return when all sockets have all that was acknowledged, or the time is over."""
        for listeners in self.listeners:
            listeners.await_all(seconds)

    def judge(self) -> DeliveryVerdict:
        """Return what came of it."""
        return judge_deliveries(
            self.ledger, [each for listeners in self.listeners for each in listeners.sockets]
        )

    def early(self) -> int:
        """Return how many answers told of hosts that had not answered."""
        return sum(bool(entry.unreached) for entry in self.ledger.entries)


@contextmanager
def listening(fleet: Fleet, sockets: int) -> Iterator[Load]:
    """Have so many sockets at each host."""
    ledger = Ledger()
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(Listeners(host.port, fleet.key, ledger, count=sockets))
            for host in fleet.hosts
        ]
        yield Load(ledger, listeners)


@contextmanager
def load(
    fleet: Fleet, *, sockets: int = 5, publishers: int = 2, rate: float = 40.0
) -> Iterator[Load]:
    """Listen at all hosts and publish to all; the end waits for the answers and deliveries."""
    with listening(fleet, sockets) as running:
        with ExitStack() as stack:
            for number, host in enumerate(fleet.hosts):
                stack.enter_context(
                    Publishers(
                        host.port,
                        fleet.key,
                        running.ledger,
                        count=publishers,
                        rate=rate,
                        first=number * publishers,
                    )
                )
            yield running
        running.await_all()


def publish_in_turn(fleet: Fleet, ledger: Ledger, events: int, publishers: int = 6) -> None:
    """Have ``publishers`` post so many events, each one to the hosts in turn."""

    def publish_share(publisher: int) -> None:
        with requests.Session() as session:
            for number in range(publisher, events, publishers):
                entry = ledger.issue(publisher)
                answer = session.post(
                    f"{fleet.hosts[number // publishers % len(fleet.hosts)].url}/events",
                    json={"event": ledger.event, "data": ledger.data_of(entry)},
                    headers={"Authorization": f"Bearer {fleet.key}"},
                    timeout=15,
                )
                ledger.answered(entry, answer.status_code, answer.content)

    threads = [threading.Thread(target=publish_share, args=(each,)) for each in range(publishers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hold_to_promise(times: Sequence[float]) -> None:
    """Print how many posts took longer than is promised, and fail where one took far too long."""
    late = sum(took > SLOWEST_POST for took in times)
    p50, p99, most = (1000 * share(times, part) for part in (0.5, 0.99, 1.0))
    print(
        f"posts {len(times)}: p50 {p50:.0f}, p99 {p99:.0f}, longest {most:.0f} ms;"
        f" {late} took more than {1000 * SLOWEST_POST:.0f} ms"
    )
    assert max(times) < SLOWEST_POST + POST_SLACK


def report(what: str, running: Load, began: float, seconds: float) -> DeliveryVerdict:
    """Print the ledger of a fault that began then and took so long; hold it to what is promised.

    The times are those of the posts since it began.
    """
    running.await_all()
    verdict, ledger = running.judge(), running.ledger
    times = ledger.answer_times(since=began)
    print(
        f"{what} ({seconds:.1f} s): posted {len(ledger.entries)}, acknowledged"
        f" {ledger.acknowledged}, refused {ledger.refused}, told of unreached hosts"
        f" {running.early()}; {verdict}"
    )
    assert verdict.faults == {}
    assert ledger.refused == 0
    hold_to_promise(times)
    return verdict
