"""The collect worker: a real process between a real Redis and a database."""

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from redis import Redis

from tests.services import forks
from tests.services.collect_worker import CollectWorker
from tests.services.databases import renamed
from tests.services.herald import HeraldServer, environment_without_settings, wait_until
from tests.services.hit_ledger import count_stored, fields_in, make_hits, stored_in
from tests.services.redis_server import RedisServer
from webapp.collect.stream.consumer import READ_ENTRIES
from webapp.collect.stream.hit_stream import ALONE, DEAD, GROUP, HIT, STREAM, HitStream
from webapp.collect.stream.stream_group import MOST_DELIVERIES, StreamGroup
from webapp.storage.database import Database

IDLE = 1.0
"""When a worker of these tests takes another one for dead."""

PAUSE = 0.1
"""Between two tries of a worker that is to have many of them."""
MANY_TRIES_SECONDS = 3.0
"""Long enough for several times as many as a hit has that is the cause of a failure."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    """What looks into it."""
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def stream(server: RedisServer) -> Iterator[HitStream]:
    """What the web process appends to."""
    stream = HitStream(server.url)
    yield stream
    stream.close()


@pytest.fixture
def url(any_database: Database) -> str:
    """The database that hits are to be in."""
    return any_database.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A database in a file, where it does not matter which one it is."""
    return f"sqlite:///{tmp_path}/hits.db"


def consumers(redis: Redis) -> int:
    return len(redis.xinfo_consumers(STREAM, GROUP))


@contextmanager
def locked(file: str) -> Iterator[None]:
    """Have nobody write to the file."""
    with closing(sqlite3.connect(file.removeprefix("sqlite:///"), timeout=10)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the worker to its end."""
    return forks.run("webapp.collect.worker", arguments, environment_without_settings() | environ)


def test_some_hits_and_then_silence(
    home: Path, server: RedisServer, stream: HitStream, url: str
) -> None:
    """One hit fewer than a batch is stored after the timeout, and out of Redis then."""
    with CollectWorker(home, server.url, url, batch_size=500, batch_seconds=1.0):
        stream.write(make_hits(1, "first"))
        wait_until(lambda: count_stored(url) == 1, "the first hit", 5)
        began = time.monotonic()
        hits = make_hits(499)
        stream.write(hits)
        wait_until(lambda: count_stored(url) == 500, "the other hits", 5)
        assert 0.5 < time.monotonic() - began < 2.5
        wait_until(lambda: stream.lag().entries == 0, "an empty stream")
    assert stored_in(url).faults([hit.message_id for hit in hits]) == {}


def test_a_full_batch_does_not_wait(
    home: Path, server: RedisServer, stream: HitStream, file: str
) -> None:
    """The threshold counts before the timeout; SIGTERM brings what is below it."""
    with CollectWorker(home, server.url, file, batch_size=100, batch_seconds=60) as worker:
        stream.write(make_hits(250))
        wait_until(lambda: count_stored(file) == 200, "two batches")
        wait_until(lambda: stream.lag().entries == 50, "their acknowledgement")
        began = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - began < 5
    assert stored_in(file).rows == 250
    assert stream.lag().entries == 0


def test_it_leaves_the_group_behind_it_clean(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, file: str
) -> None:
    """Who ends is struck out of the group, and says what was done."""
    with CollectWorker(home, server.url, file, batch_seconds=0.1) as worker:
        stream.write(make_hits(10))
        wait_until(lambda: count_stored(file) == 10, "the hits")
        assert consumers(redis) == 1
        assert worker.stop() == 0
    assert consumers(redis) == 0
    assert "has ended: 10 hits read and done with" in worker.log_text()


def test_an_outage_of_the_database(
    home: Path, server: RedisServer, stream: HitStream, url: str
) -> None:
    """No more is read than has room, nothing acknowledged or set aside; all is stored after it."""
    with CollectWorker(
        home, server.url, url, batch_size=100, batch_seconds=0.05, pause=PAUSE
    ) as worker:
        stream.write(make_hits(1, "first"))
        wait_until(lambda: count_stored(url) == 1, "the first hit")
        with renamed(url, "hit"):
            stream.write(make_hits(100, "batch"))
            wait_until(lambda: "cannot write" in worker.log_text(), "a failure")
            for number in range(19):
                stream.write(make_hits(100, f"batch-{number}"))
            wait_until(lambda: stream.lag().oldest > MANY_TRIES_SECONDS, "many tries", 20)
            lag = stream.lag()
            assert (lag.entries, lag.dead) == (2000, 0)
            # An error that is no outage by its name: read was what could show whom it is about.
            assert 100 <= lag.pending <= 400 + 2 * READ_ENTRIES
        wait_until(lambda: count_stored(url) == 2001, "all hits", 30)
        wait_until(lambda: stream.lag().entries == 0, "an empty stream")
        assert "writes again" in worker.log_text()
    assert stored_in(url).faults([]) == {}


def test_what_it_holds_is_bounded(
    home: Path, server: RedisServer, stream: HitStream, file: str
) -> None:
    """While the database takes its time, no more is read than the buffer holds.

    Killed meanwhile, it leaves all of it to the next one.
    """
    with CollectWorker(home, server.url, file, batch_size=100, batch_seconds=0.05) as worker:
        with locked(file):
            for number in range(20):
                stream.write(make_hits(100, f"batch-{number}"))
            wait_until(lambda: stream.lag().oldest > 2, "a while")
            lag = stream.lag()
            assert lag.entries == 2000
            assert 400 <= lag.pending <= 400 + 2 * READ_ENTRIES
            worker.kill()
        assert count_stored(file) == 0
        worker.start()
        stream.write(make_hits(1, "last"))
        wait_until(lambda: count_stored(file) == 1 + 2000 - lag.pending, "what nobody has read")
        wait_until(lambda: stream.lag().entries == lag.pending, "their acknowledgement")
    with CollectWorker(home, server.url, file, batch_seconds=0.05, idle=IDLE):
        wait_until(lambda: stream.lag().entries == 0, "an empty stream")
    assert stored_in(file).rows == 2001
    assert stored_in(file).faults([]) == {}


def test_its_end_amid_an_outage(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, file: str
) -> None:
    """It ends in time, with the hits still in Redis; the next one takes them over."""
    with CollectWorker(home, server.url, file, batch_seconds=0.05) as worker:
        stream.write(make_hits(1, "first"))
        wait_until(lambda: count_stored(file) == 1, "the first hit")
        with renamed(file, "hit"):
            stream.write(make_hits(50))
            wait_until(lambda: "cannot write" in worker.log_text(), "a failure")
            assert worker.stop() == 0
            assert stream.lag().entries == 50
            assert consumers(redis) == 1
    assert "50 wait in Redis for the next one" in worker.log_text()
    with CollectWorker(home, server.url, file, batch_seconds=0.05, idle=IDLE) as successor:
        wait_until(lambda: stream.lag().entries == 0, "an empty stream")
        assert successor.stop() == 0
    assert "50 of them taken over" in successor.log_text()
    assert stored_in(file).faults([hit.message_id for hit in make_hits(50)]) == {}


def test_what_is_no_hit_is_set_aside(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, url: str
) -> None:
    """So are hits that no attempt can store; those among them are stored."""
    hits = make_hits(40)
    with CollectWorker(home, server.url, url, batch_size=20, batch_seconds=0.1) as worker:
        stream.write(hits[:20])
        redis.xadd(STREAM, {"hit": b"\xff"})
        redis.xadd(STREAM, {"hit": "[" * 100_000})
        redis.xadd(STREAM, {"hit": json.dumps({"app_id": "a"})})
        redis.xadd(STREAM, {"something": "else"})
        odd = json.loads(make_hits(1, "odd")[0].to_json()) | {"at": "yesterday"}
        redis.xadd(STREAM, {"hit": json.dumps(odd)})
        # What fails as nobody has thought of it, and takes its whole batch along.
        redis.xadd(STREAM, {"hit": json.dumps(odd | {"app_id": ["a"]})})
        stream.write(hits[20:])
        wait_until(lambda: stream.lag().entries == 0, "an empty stream", 30)
        assert stored_in(url).faults([hit.message_id for hit in hits]) == {}
        assert stored_in(url).rows == 40
        reasons = [fields[b"reason"].decode() for fields in fields_in(redis, DEAD)]
        assert len(reasons) == 6
        assert [reason.startswith("it is no hit: ") for reason in reasons].count(True) == 4
        assert sum("no attempt could store it: TypeError" in reason for reason in reasons) == 1
        assert f"they are in {DEAD}" in worker.log_text()
        assert worker.stop() == 0
    assert "6 made dead letters" in worker.log_text()


def test_a_poison_hit_alone_in_its_batch(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, url: str
) -> None:
    """While nobody can say whether it is about the hit it waits; with others it is set aside."""
    poison = json.loads(make_hits(1, "odd")[0].to_json()) | {"app_id": ["a"]}
    with CollectWorker(home, server.url, url, batch_seconds=0.05, pause=PAUSE) as worker:
        redis.xadd(STREAM, {"hit": json.dumps(poison)})
        wait_until(lambda: "cannot write" in worker.log_text(), "a failure")
        wait_until(lambda: stream.lag().oldest > MANY_TRIES_SECONDS, "many tries", 20)
        assert (stream.lag().entries, stream.lag().dead) == (1, 0)
        stream.write(make_hits(20))
        wait_until(lambda: count_stored(url) == 20, "the others", 15)
        wait_until(lambda: stream.lag().entries == 0, "an empty stream")
        assert stream.lag().dead == 1
        assert "writes again" in worker.log_text()


def test_a_hit_that_ends_whoever_writes_it(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, file: str
) -> None:
    """Given out too often it is written alone, and is a dead letter when that ends a worker too."""
    hits = [*make_hits(5, "before"), *make_hits(1, "deadly"), *make_hits(5, "after")]
    stream.write(hits)
    gone = StreamGroup(server.url, "gone")
    ids: list[int | bytes | str | memoryview[int]] = [entry.id for entry in gone.read(20, 0.0)]
    gone.close()
    redis.xclaim(STREAM, GROUP, "gone", 0, ids, idle=60_000, retrycount=MOST_DELIVERIES)
    worker = CollectWorker(home, server.url, file, batch_seconds=0.05, idle=IDLE, deadly="deadly")
    with worker:
        assert worker.process.wait(20) == -signal.SIGKILL
        assert (stream.lag().entries, stream.lag().dead) == (11, 0)
        worker.start()
        wait_until(lambda: stream.lag().entries == 0, "an empty stream", 20)
        (letter,) = fields_in(redis, DEAD)
        assert b"deadly-0" in letter[HIT]
        assert b"a worker ended while it wrote this alone" in letter[b"reason"]
        assert redis.hlen(ALONE) == 0
    good = [hit.message_id for hit in hits if hit.message_id != "deadly-0"]
    assert stored_in(file).faults(good) == {}
    assert stored_in(file).rows == 10


def test_several_share_the_work(
    home: Path, server: RedisServer, stream: HitStream, url: str
) -> None:
    """Two workers on one stream: each hit is stored once, and both do some of it."""
    with (
        CollectWorker(home, server.url, url, batch_size=50, batch_seconds=0.02) as one,
        CollectWorker(
            home, server.url, url, batch_size=50, batch_seconds=0.02, from_nothing=True
        ) as other,
    ):
        names: list[str] = []
        for number in range(40):
            hits = make_hits(100, f"batch-{number}")
            stream.write(hits)
            names += [hit.message_id for hit in hits]
        wait_until(lambda: stream.lag().entries == 0, "an empty stream", 30)
        assert [one.stop(), other.stop()] == [0, 0]
    assert stored_in(url).faults(names) == {}
    for worker in (one, other):
        assert " 0 hits read" not in worker.log_text()


def test_who_stands_still_is_taken_for_dead(
    home: Path, server: RedisServer, stream: HitStream, file: str
) -> None:
    """Another one stores what it had; when it goes on, that does no harm."""
    with CollectWorker(home, server.url, file, batch_seconds=2) as frozen:
        stream.write(make_hits(100))
        wait_until(lambda: stream.lag().pending == 100, "that it has read")
        frozen.freeze()
        with CollectWorker(home, server.url, file, batch_seconds=0.1, idle=IDLE):
            wait_until(lambda: count_stored(file) == 100, "the hits")
        frozen.thaw()
        stream.write(make_hits(1, "last"))
        wait_until(lambda: count_stored(file) == 101, "the last hit")
        assert frozen.stop() == 0
    assert stored_in(file).faults([]) == {}


def test_an_emptied_redis(
    home: Path, server: RedisServer, stream: HitStream, redis: Redis, file: str
) -> None:
    """The group is made anew, and it goes on without a restart."""
    with CollectWorker(home, server.url, file, batch_seconds=0.1):
        stream.write(make_hits(10))
        wait_until(lambda: count_stored(file) == 10, "the first hits")
        redis.flushall()
        stream.write(make_hits(10, "then"))
        wait_until(lambda: count_stored(file) == 20, "the next ones")


def test_a_redis_that_comes_late_and_goes(
    home: Path, server: RedisServer, stream: HitStream, file: str
) -> None:
    """It waits for Redis, says so, and goes on with what comes then."""
    server.kill()
    with CollectWorker(home, server.url, file, batch_seconds=0.1) as worker:
        wait_until(lambda: "cannot read from Redis" in worker.log_text(), "that it says so")
        server.start()
        stream.write(make_hits(10))
        wait_until(lambda: count_stored(file) == 10, "the hits", 20)
        wait_until(lambda: "reads from Redis again" in worker.log_text(), "that it says so")
        server.kill()
        began = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - began < 5
        server.start()


def test_its_end_while_redis_stands_still(
    home: Path, server: RedisServer, stream: HitStream, file: str
) -> None:
    """With hits that are stored and cannot be taken out of the stream, it ends in time."""
    with CollectWorker(home, server.url, file, batch_seconds=1) as worker:
        stream.write(make_hits(10))
        wait_until(lambda: stream.lag().pending == 10, "that it has read")
        server.freeze()
        try:
            wait_until(lambda: count_stored(file) == 10, "the hits")
            assert worker.stop() == 0
        finally:
            server.thaw()


def test_it_warns_of_a_redis_that_loses_hits(home: Path, server: RedisServer, file: str) -> None:
    """Its start tells of a Redis that keeps nothing."""
    with CollectWorker(home, server.url, file) as worker:
        wait_until(lambda: "set appendonly to yes" in worker.log_text(), "the warning")


def test_the_web_process_tells_of_redis_and_the_worker(home: Path, server: RedisServer) -> None:
    """It warns once of a Redis that keeps nothing; what waits is told."""
    with HeraldServer(home, {"REDIS_URL": server.url}) as herald:
        wait_until(lambda: "set appendonly to yes" in herald.log_text(), "the warning")
        assert herald.log_text().count("may be lost with this Redis") == 1
        ready = f"{herald.url}/health/ready"
        wait_until(lambda: requests.get(ready, timeout=10).ok, "having joined the other hosts")
        told = requests.get(ready, timeout=10).json()["collect"]
        assert (
            told.items()
            >= {
                "redis": "ok",
                "worker": "ok",
                "waitingHits": 0,
                "oldestSeconds": 0.0,
                "deadLetters": 0,
            }.items()
        )


def test_it_needs_a_redis(tmp_path: Path) -> None:
    """Without one there is nothing to do: it says what to set, and that none may be needed."""
    done = run(HERALD_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "REDIS_URL" in done.stderr
    assert "no worker is needed" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_help() -> None:
    """What it does and needs is told without any setting."""
    done = run("--help")
    assert done.returncode == 0
    assert "REDIS_URL" in done.stdout


def test_the_lag_can_be_asked_for(tmp_path: Path, server: RedisServer, stream: HitStream) -> None:
    """It is one line of JSON; where there is no Redis the reason is told."""
    stream.write(make_hits(3))
    asked = run("--lag", REDIS_URL=server.url, HERALD_HOME=str(tmp_path))
    assert json.loads(asked.stdout)["entries"] == 3
    server.kill()
    asked = run("--lag", REDIS_URL=server.url, HERALD_HOME=str(tmp_path))
    assert asked.returncode == 1
    assert "cannot be asked" in asked.stderr
    server.start()
