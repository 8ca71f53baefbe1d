"""The stream of hits: what is in it, and what a Redis that does not take it looks like."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from logger_lib import Counters, SpoolPlace, inline
from logger_lib.notice import Notice
from logger_lib.pipeline.pipeline import Pipeline
from tests.services.herald import wait_until
from tests.services.hit_ledger import fields_in, make_hits
from tests.services.redis_server import RedisServer
from webapp.collect.hit import Hit
from webapp.collect.hit_form import HitForm
from webapp.collect.stream.hit_stream import ANSWER_SECONDS, DEAD, GROUP, HIT, STREAM, HitStream
from webapp.collect.stream.lag_watch import LagWatch
from webapp.collect.stream.stream_group import DeadLetter, StreamGroup


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis that these tests share."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    """What looks into it; it is empty."""
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        yield client


@pytest.fixture
def stream(server: RedisServer, redis: Redis) -> Iterator[HitStream]:
    """The destination of hits."""
    stream = HitStream(server.url)
    yield stream
    stream.close()
    redis.config_set("maxmemory", 0)


@pytest.fixture
def group(server: RedisServer, redis: Redis) -> Iterator[StreamGroup]:
    """A consumer's side."""
    group = StreamGroup(server.url, "one")
    yield group
    group.close()
    redis.flushall()


def in_stream(redis: Redis) -> list[Hit]:
    return [Hit.from_json(fields[HIT].decode()) for fields in fields_in(redis, STREAM)]


def members(redis: Redis) -> set[bytes]:
    return {member["name"] for member in redis.xinfo_consumers(STREAM, GROUP)}


def fill(redis: Redis) -> None:
    """Have Redis take no more."""
    used = redis.info("memory")["used_memory"]
    redis.config_set("maxmemory", int(used))
    redis.config_set("maxmemory-policy", "noeviction")


def test_a_batch_is_appended_in_order(stream: HitStream, redis: Redis) -> None:
    """The stream has each hit as it was, in the order of the batch."""
    hits = make_hits(500)
    assert stream.write(hits) == ()
    assert in_stream(redis) == hits


def test_a_batch_is_one_command(stream: HitStream, redis: Redis) -> None:
    """However many hits, they cost one round trip."""
    stream.write(make_hits(1))
    before = redis.info("stats")["total_commands_processed"]
    calls = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    stream.write(make_hits(500))
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == calls + 1
    # XADD in a script counts too, as do the questions of this test.
    assert redis.info("stats")["total_commands_processed"] <= before + 500 + 5


def test_a_frozen_redis_is_not_waited_for(server: RedisServer, stream: HitStream) -> None:
    """A batch fails after a second, and the pipeline puts it on disk."""
    stream.write(make_hits(1))
    server.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(RedisError):
            stream.write(make_hits(1, "late"))
        assert time.monotonic() - began < ANSWER_SECONDS + 1
    finally:
        server.thaw()


def test_a_full_redis_takes_a_batch_whole_or_not(stream: HitStream, redis: Redis) -> None:
    """Beyond ``maxmemory`` a batch fails, and none of it is in the stream."""
    stream.write(make_hits(10))
    fill(redis)
    with pytest.raises(OutOfMemoryError):
        stream.write(make_hits(10, "more"))
    redis.config_set("maxmemory", 0)
    assert redis.xlen(STREAM) == 10


def test_what_a_full_redis_refuses_waits_on_disk(
    stream: HitStream, redis: Redis, tmp_path: Path
) -> None:
    """The pipeline's spool takes what Redis does not, and hands it on when there is room."""
    stream.write(make_hits(10))
    fill(redis)
    place = SpoolPlace(tmp_path, 1 << 24, inline)
    counters = Counters()
    pipeline = Pipeline(
        stream,
        HitForm(),
        name="hits",
        counters=counters,
        notice=Notice("The collector"),
        spool=place.spool("hits"),
    )
    more = make_hits(100, "more")
    for hit in more:
        pipeline.put(hit, 1000)
    assert pipeline.flush(5)
    assert counters.in_spool == 100
    redis.config_set("maxmemory", 0)
    wait_until(lambda: counters.in_spool == 0, "an empty spool")
    pipeline.close()
    assert in_stream(redis)[10:] == more


def test_no_stream_lags_behind_by_nothing(stream: HitStream) -> None:
    """Before the first hit, and before the first worker, the lag can be asked for."""
    lag = stream.lag()
    assert (lag.entries, lag.pending, lag.dead, lag.oldest, lag.oldest_idle) == (0, 0, 0, 0, 0)
    stream.write(make_hits(3))
    assert stream.lag().entries == 3


def test_the_lag_is_what_is_not_stored(stream: HitStream, group: StreamGroup) -> None:
    """It counts entries, those that a consumer has, and how long the first ones wait."""
    stream.write(make_hits(10))
    entries = group.read(4, 0.0)
    wait_until(lambda: stream.lag().oldest_idle > 0.05, "some time")
    lag = stream.lag()
    assert (lag.entries, lag.pending, lag.dead) == (10, 4, 0)
    assert 0.05 < lag.oldest_idle <= lag.oldest < 10
    group.stored([entry.id for entry in entries[:3]])
    group.bury([DeadLetter(*entries[3], "for no reason")])
    lag = stream.lag()
    assert (lag.entries, lag.pending, lag.dead, lag.oldest_idle) == (6, 0, 1, 0.0)


def test_a_worker_that_is_missing_is_told_of(
    stream: HitStream, group: StreamGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hits that nobody stores are said once, with what to do, and again when they are stored."""
    watch = LagWatch(stream, late=0.05)
    watch.look()
    assert "set appendonly to yes" in capsys.readouterr().err
    assert watch.seen() == {
        "redis": "ok",
        "worker": "ok",
        "waitingHits": 0,
        "oldestSeconds": 0.0,
        "deadLetters": 0,
    }
    stream.write(make_hits(3))
    wait_until(lambda: stream.lag().oldest > 0.05, "some time")
    watch.look()
    watch.look()
    (said,) = capsys.readouterr().err.splitlines()
    assert "3 hits wait in Redis" in said
    assert "python -m webapp.collect.worker" in said
    assert (watch.seen()["worker"], watch.seen()["waitingHits"]) == ("late: is one running?", 3)
    group.stored([entry.id for entry in group.read(10, 0.0)])
    watch.look()
    watch.look()
    assert capsys.readouterr().err == "Herald: the hits that waited in Redis are stored.\n"


def test_a_redis_that_may_lose_hits_is_told_of(stream: HitStream, redis: Redis) -> None:
    """One that keeps nothing on disk, or that drops keys when it is full."""
    assert stream.dangers() == ["it keeps nothing on disk: set appendonly to yes"]
    redis.config_set("maxmemory-policy", "allkeys-lru")
    redis.config_set("maxmemory", 1 << 30)
    (_, danger) = stream.dangers()
    assert "allkeys-lru" in danger
    redis.config_set("maxmemory-policy", "noeviction")
    assert len(stream.dangers()) == 1


def test_a_redis_that_tells_not_all(
    server: RedisServer, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where commands such as INFO are not allowed, what waits in it is seen all the same."""
    may = ["+@all", "-@dangerous"]
    redis.acl_setuser("herald", enabled=True, nopass=True, keys=["*"], categories=may)
    stream = HitStream(server.url.replace("redis://", "redis://herald:any@"))
    watch = LagWatch(stream)
    assert watch.seen() == {"redis": "not looked at yet"}
    watch.look()
    assert watch.seen()["redis"] == "ok"
    assert capsys.readouterr().err == ""
    stream.close()
    redis.acl_deluser("herald")


def test_only_others_are_ended_by_an_entry(server: RedisServer, group: StreamGroup) -> None:
    """Who begins with an entry again lives: only another's beginning without an end is a death."""
    other = StreamGroup(server.url, "other")
    assert not group.begin_alone(b"1-0")
    assert not group.begin_alone(b"1-0")
    assert other.begin_alone(b"1-0")
    group.end_alone(b"1-0", b"2-0")
    assert not other.begin_alone(b"1-0")
    other.close()


def test_a_dead_letter_says_what_and_why(group: StreamGroup, redis: Redis) -> None:
    """It has the fields of the entry, which is out of the stream, its id and the reason."""
    redis.xadd(STREAM, {"hit": "{}", "other": b"\xff"})
    (entry,) = group.read(10, 0.0)
    group.bury([DeadLetter(*entry, "it is no hit")])
    (fields,) = fields_in(redis, DEAD)
    assert fields == {
        b"hit": b"{}",
        b"other": b"\xff",
        b"entry": entry.id,
        b"reason": b"it is no hit",
    }
    assert redis.xlen(STREAM) == 0


def test_nobody_leaves_with_entries(group: StreamGroup, stream: HitStream, redis: Redis) -> None:
    """A consumer that was given entries stays in the group, as they would be nobody's."""
    stream.write(make_hits(1))
    (entry,) = group.read(10, 0.0)
    assert not group.leave()
    group.stored([entry.id])
    assert group.leave()
    assert members(redis) == set()


def test_who_is_gone_is_forgotten(
    server: RedisServer, group: StreamGroup, stream: HitStream, redis: Redis
) -> None:
    """A consumer that was killed long ago, and has nothing left, is struck out."""
    for name in ("gone", "gone with a hit"):
        stream.write(make_hits(1, name))
        gone = StreamGroup(server.url, name)
        (entry,) = gone.read(10, 0.0)
        if name == "gone":
            gone.stored([entry.id])
        gone.close()
    wait_until(lambda: stream.lag().oldest_idle > 0.01, "some time")
    group.forget_the_gone()
    assert members(redis) == {b"gone", b"gone with a hit"}
    group.forget_the_gone(after=0.0)
    assert members(redis) == {b"gone with a hit"}


def test_a_cluster_takes_all_of_it() -> None:
    """What a hit goes through, each script and transaction on its way, has its keys in one slot."""
    with RedisServer(is_cluster=True) as cluster:
        stream, group = HitStream(cluster.url), StreamGroup(cluster.url, "one")
        stream.write(make_hits(3))
        stored, alone, dead = group.read(10, 0.0)
        assert group.suspects_among([stored, alone, dead]) == set()
        assert not group.begin_alone(alone.id)
        group.end_alone(alone.id)
        group.stored([stored.id, alone.id])
        group.bury([DeadLetter(*dead, "it is odd")])
        group.forget_the_gone(after=0.0)
        assert group.leave()
        lag = stream.lag()
        assert (lag.entries, lag.pending, lag.dead) == (0, 0, 1)
        group.close()
        stream.close()
