"""SIGKILL on the way of a hit by Redis: what was answered 202 is in the database, once."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import HITS, KILLS, say
from tests.services.collect_worker import CollectWorker
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer, wait_until
from tests.services.hit_ledger import count_stored, make_hits, stored_in
from tests.services.hits import BatchSenders
from tests.services.ledger import Ledger
from tests.services.ports import lasting_port
from tests.services.redis_server import RedisServer
from webapp.access.scopes import Scope
from webapp.collect.stream.hit_stream import HitStream
from webapp.storage.database import Database

IDLE = 1.0
"""When a worker takes another one for dead."""
IN_LARGE = "HERALD_TEST_KILLS" in os.environ
SENDERS = 3
BETWEEN = (10, 50)
"""How many calls are acknowledged between two kills."""
PUSHERS = 2
MOST_PUSHED = 500
SETTLED_SECONDS = 60.0


class Collecting:
    """Web process, Redis and two workers."""

    def __init__(self, home: Path, appendfsync: str, database_url: str, stack: ExitStack) -> None:
        self.redis = stack.enter_context(RedisServer(appendfsync))
        self.database_url = database_url
        environ = {
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": database_url,
            "SECRET_KEY": "k" * 64,
            "EVENT_LOGGERS": "logging",
        }
        self.web = HeraldServer(home, environ, lasting_port())
        stack.enter_context(self.web)
        self.workers = [
            CollectWorker(
                home / str(number),
                self.redis.url,
                self.database_url,
                idle=IDLE,
                from_nothing=number > 0,
            )
            for number in range(2)
        ]
        for worker in self.workers:
            stack.enter_context(worker)
        self.stream = HitStream(self.redis.url)
        stack.callback(self.stream.close)

        self._is_frozen = False

    def kill_web(self) -> None:
        """Kill the web process, and start it again."""
        self.web.kill()
        self.web.start()

    def kill_worker(self) -> None:
        """Kill one of the workers, and start it again."""
        worker = random.choice(self.workers)
        worker.kill()
        worker.start()

    def kill_redis(self) -> None:
        """Kill Redis, and start it again."""
        self.redis.kill()
        self.redis.start()

    def freeze_redis(self) -> None:
        """Have Redis stand still until the next time, or go on."""
        self._is_frozen = not self._is_frozen
        if self._is_frozen:
            self.redis.freeze()
        else:
            self.redis.thaw()


VICTIMS: dict[str, tuple[str, Callable[[Collecting], None]]] = {
    "web": ("everysec", Collecting.kill_web),
    "worker": ("everysec", Collecting.kill_worker),
    "redis, synced each second": ("everysec", Collecting.kill_redis),
    "redis, synced always": ("always", Collecting.kill_redis),
    "redis, standing still": ("everysec", Collecting.freeze_redis),
}


CASES = [
    (database, victim)
    for database in ("sqlite", "mariadb", "postgresql")
    for victim in VICTIMS
    # It is the worker alone that speaks with the database: in small the others are killed with one.
    if IN_LARGE or database == "sqlite" or victim == "worker"
]


@pytest.fixture
def stream_of() -> Iterator[Callable[[RedisServer], HitStream]]:
    """What the web process appends to."""
    with ExitStack() as stack:

        def make(redis: RedisServer) -> HitStream:
            stream = HitStream(redis.url)
            stack.callback(stream.close)
            return stream

        yield make


@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize(("any_database", "victim"), CASES, indirect=["any_database"])
def test_kill(victim: str, home: Path, any_database: Database) -> None:
    """Under load, again and again at moments that chance picks: nothing is lost or doubled."""
    appendfsync, kill = VICTIMS[victim]
    with ExitStack() as stack:
        url = any_database.engine.url.render_as_string(hide_password=False)
        collecting = Collecting(home, appendfsync, url, stack)
        key, ledger = collecting.web.issue_key(Scope.COLLECT), Ledger()
        with BatchSenders(
            collecting.web.port, key, ledger, count=SENDERS, persistent=True
        ) as senders:
            for _ in range(KILLS):
                ledger.await_acknowledged(random.randint(*BETWEEN), SETTLED_SECONDS)
                kill(collecting)
            ledger.await_acknowledged(BETWEEN[0], SETTLED_SECONDS)
        collecting.redis.thaw()
        acknowledged = senders.acknowledged()
        wait_until(
            lambda: stored_in(collecting.database_url).names.issuperset(acknowledged),
            "all that was acknowledged",
            SETTLED_SECONDS,
        )
        wait_until(lambda: collecting.stream.lag().entries == 0, "an empty stream", SETTLED_SECONDS)
        assert collecting.stream.lag().dead == 0
    stored = stored_in(collecting.database_url)
    assert stored.faults(acknowledged) == {}
    say(
        f"{KILLS} kills, {victim}",
        f"{len(acknowledged)} hits acknowledged, {senders.repeated} calls repeated,"
        f" {stored.rows} stored",
    )


@pytest.fixture
def url(any_database: Database) -> str:
    """A database of each kind."""
    return any_database.engine.url.render_as_string(hide_password=False)


def test_kill_between_commit_and_acknowledgement(
    home: Path, stream_of: Callable[[RedisServer], HitStream], url: str
) -> None:
    """What a worker has stored, and could not take out of Redis, the next one does not double."""
    with RedisServer("everysec") as redis, FaultProxy(redis.port) as proxy:
        stream = stream_of(redis)
        through = f"redis://127.0.0.1:{proxy.port}/0"
        with CollectWorker(home, through, url, batch_seconds=2.0) as worker:
            hits = make_hits(400)
            stream.write(hits)
            wait_until(lambda: stream.lag().pending == 400, "that all is read")
            proxy.half_open()
            wait_until(lambda: count_stored(url) == 400, "the commit")
            worker.kill()
        lag = stream.lag()
        assert (lag.entries, lag.pending) == (400, 400)
        with CollectWorker(home, redis.url, url, batch_seconds=0.1, idle=IDLE) as successor:
            stream.write(make_hits(1, "last"))
            wait_until(lambda: stream.lag().entries == 0, "an empty stream", SETTLED_SECONDS)
            assert successor.stop() == 0
    assert "400 of them taken over" in successor.log_text()
    stored = stored_in(url)
    assert stored.rows == 401
    assert stored.faults([hit.message_id for hit in hits]) == {}


@pytest.mark.timeout(120 + HITS // 500)
def test_pushing_while_others_consume(
    home: Path, stream_of: Callable[[RedisServer], HitStream], url: str
) -> None:
    """The race that loses and doubles hits where a list is read first and cut afterwards."""
    pushed: list[str] = []

    def push(pusher: int, stream: HitStream) -> None:
        sizes = random.Random(pusher)
        left = HITS // PUSHERS
        while left:
            size = min(left, sizes.randint(1, MOST_PUSHED))
            hits = make_hits(size, f"{pusher}-{left}")
            stream.write(hits)
            pushed.extend(hit.message_id for hit in hits)
            left -= size

    with (
        RedisServer("everysec") as redis,
        CollectWorker(home, redis.url, url, idle=IDLE) as one,
        CollectWorker(home, redis.url, url, idle=IDLE, from_nothing=True) as other,
    ):
        pushers = [
            threading.Thread(target=push, args=(number, stream_of(redis)))
            for number in range(PUSHERS)
        ]
        began = time.monotonic()
        for pusher in pushers:
            pusher.start()
        for pusher in pushers:
            pusher.join(SETTLED_SECONDS)
        pushing = time.monotonic() - began
        stream = stream_of(redis)
        wait_until(lambda: stream.lag().entries == 0, "an empty stream", 60 + HITS / 1000)
        took = time.monotonic() - began
        assert [one.stop(), other.stop()] == [0, 0]
    stored = stored_in(url)
    assert len(pushed) == HITS // PUSHERS * PUSHERS
    assert stored.rows == len(pushed)
    assert stored.faults(pushed) == {}
    say(
        "pushed while consumed",
        f"{stored.rows} hits, {stored.rows / pushing:,.0f} a second into Redis,"
        f" {stored.rows / took:,.0f} a second into the database by two workers",
    )
