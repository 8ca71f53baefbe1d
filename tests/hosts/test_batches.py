"""A batch waits for Redis and for other hosts no longer than a single post, whatever they do."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from logger_lib import JsonObject, JsonValue
from tests.hosts.conftest import SLACK, SLOWEST_POST, Fleet, two_hosts
from tests.services.crowd import Crowd
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import wait_until
from tests.services.redis_server import RedisServer

ITEMS: list[JsonValue] = [{"event": "x", "data": {"n": number}} for number in range(1000)]
BATCHES = 3
"""How many are posted before a fault, and in it."""

LARGE: JsonObject = {"event": "large", "data": {"text": "x" * 900_000}}
BYTES_A_SECOND = 2_000_000
"""Of a slow line, in each direction."""

SLOW_SECONDS = 0.07
"""How much later a slow host hears of anything, and is heard: too soon to be taken for late."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def two(
    redis: RedisServer, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two hosts, of which the second asks Redis through the proxy."""
    with two_hosts(tmp_path_factory.mktemp("two"), redis, proxy) as started:
        yield started


def post_through(hosts: Fleet, fault: Callable[[], None], end: Callable[[], None]) -> None:
    """Post batches to the first host all the time, and hold those in the fault to the others."""
    ended = threading.Event()
    seconds: list[float] = []
    refused: list[str] = []

    def post() -> None:
        while not ended.is_set():
            began = time.monotonic()
            answer = hosts.hosts[0].post("/events/batch", {"events": ITEMS}, hosts.key)
            seconds.append(time.monotonic() - began)
            if answer.status_code != 202:
                refused.append(answer.text)

    def await_batches() -> None:
        wanted = len(seconds) + BATCHES
        wait_until(lambda: len(seconds) >= wanted, f"{BATCHES} batches", 60)

    posting = threading.Thread(target=post)
    posting.start()
    try:
        await_batches()
        before = list(seconds)
        fault()
        try:
            await_batches()
        finally:
            end()
    finally:
        ended.set()
        posting.join(30)
    hosts.await_all()
    print(
        f"batches of {len(ITEMS)}: {_printed(before)}; in the fault {_printed(seconds[BATCHES:])}"
    )
    assert refused == []
    # What a batch takes by itself is as much as the machine makes of it.
    assert max(seconds) < max(before) + SLOWEST_POST + SLACK


def _printed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{1000 * each:.0f}" for each in seconds) + " ms"


def test_a_line_that_is_slow(two: Fleet, proxy: FaultProxy) -> None:
    """What has many bytes has longer to be appended, and is not sent again and again."""
    there, here = two.hosts
    with Crowd(there.port, 2, two.key) as crowd:
        proxy.throttle(BYTES_A_SECOND)
        try:
            assert here.post("/events", LARGE, two.key).status_code == 202
            assert here.post("/events/batch", {"events": ITEMS}, two.key).status_code == 202
            crowd.wait_for_events(1 + len(ITEMS), 30)
            wait_until(lambda: two.told(1)["waiting"] == 0, "all in the stream", 20)
        finally:
            proxy.heal()
        two.await_all()
        for member in crowd.members:
            assert len(member.events) == 1 + len(ITEMS)
            assert member.data("x") == [*range(len(ITEMS))]


def test_a_large_event_before_it(two: Fleet) -> None:
    """A host that cannot read for a while finds all of it in the stream still."""
    here, there = two.hosts
    with Crowd(there.port, 2, two.key) as crowd:
        crowd.join("a", crowd.members)
        assert here.post("/events", {**LARGE, "room": "nobody"}, two.key).status_code == 202
        os.kill(there.worker_pid, signal.SIGSTOP)
        try:
            assert here.post("/events/batch", {"events": ITEMS}, two.key).status_code == 202
            wait_until(lambda: two.told(0)["waiting"] == 0, "all in the stream", 20)
        finally:
            os.kill(there.worker_pid, signal.SIGCONT)
        crowd.wait_for_events(len(ITEMS), 20)
    assert two.told(1)["missed"] == 0
    two.await_all()


def test_a_host_that_is_slow(two: Fleet, proxy: FaultProxy) -> None:
    """It answers each event within the time for one, and is waited for once all the same."""
    post_through(two, lambda: proxy.delay(SLOW_SECONDS), proxy.heal)


def test_a_redis_that_freezes_in_the_middle(two: Fleet, redis: RedisServer) -> None:
    """The first of its events wait, and the rest of them do not."""
    post_through(two, redis.freeze, redis.thaw)


def test_a_host_that_freezes_in_the_middle(two: Fleet) -> None:
    """It is waited for until it is late, whichever event that was."""
    frozen = two.hosts[1].worker_pid
    post_through(
        two,
        lambda: os.kill(frozen, signal.SIGSTOP),
        lambda: os.kill(frozen, signal.SIGCONT),
    )
