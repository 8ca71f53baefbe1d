"""Answers that are kept: never stale, bounded, shared by hosts, and done without where need be."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from redis import Redis
from sqlalchemy import text

from logger_lib import inline
from tests.analytics.conftest import SECRET, Collected, Collecting
from tests.services.herald import HeraldServer
from tests.services.redis_server import RedisServer
from webapp.analytics.cache import MAX_ANSWER, MAX_ANSWERS, MAX_BYTES, AnswerCache
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.prompt_redis import ANSWER_SECONDS
from webapp.storage.database import Database


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis that is the module's own."""
    with RedisServer() as server:
        yield server


@dataclass(frozen=True, slots=True)
class Hosts:
    """Two hosts with one database and one Redis."""

    first: Collecting
    second: Collecting


@pytest.fixture(scope="module")
def hosts(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two Heralds on one SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shared')}/herald.db"
    environ = {"DATABASE_URL": url, "SECRET_KEY": SECRET, "EVENT_LOGGERS": "logging"}
    environ["REDIS_URL"] = redis.url
    database = Database(url, inline)
    homes = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    with HeraldServer(homes[0], environ) as first, HeraldServer(homes[1], environ) as second:
        store = HitStore(database, AppPolicies(database))
        yield Hosts(*(Collecting(server, database, store) for server in (first, second)))
    database.close()


def kept(redis: RedisServer) -> dict[bytes, bytes]:
    """Return what Redis keeps, by name."""
    with Redis.from_url(redis.url) as client:
        return {name: client.get(name) or b"" for name in client.scan_iter("herald:analytics:*")}


def test_an_answer_is_never_stale(hosts: Hosts) -> None:
    """What was written is in the next answer, at every host, whoever has kept what."""
    app = hosts.first.app()
    elsewhere = hosts.second.collected(app.id, app.token)
    for number in range(1, 6):
        app.write(app.hit("2026-05-01T10:00", "view", f"u{number}"))
        for each in (app, elsewhere, app):
            assert each.ask("event-summary", event="view")["uniqueUsers"] == number


def test_a_kept_answer_is_given_again(hosts: Hosts, redis: RedisServer) -> None:
    """While nothing is written no host works it out anew; flushing Redis changes no answer."""
    app = hosts.first.app()
    elsewhere = hosts.second.collected(app.id, app.token)
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    before = kept(redis)
    answer = app.ask("event-summary", event="view")
    (name,) = kept(redis).keys() - before.keys()
    with Redis.from_url(redis.url) as client:
        assert 0 < client.ttl(name) <= 600
    # The sums are changed behind everybody's back: who looked at them would answer otherwise.
    _spoil(app)
    assert app.ask("event-summary", event="view") == answer
    assert elsewhere.ask("event-summary", event="view") == answer
    with Redis.from_url(redis.url) as client:
        client.flushall()
    assert app.ask("event-summary", event="view") == answer
    assert app.ask("event-summary", event="view", endDate="2027-01-01")["count"] == 1000


def _spoil(app: Collected) -> None:
    spoil = text("UPDATE hit_count SET hits = 1000 WHERE app_id = :app_id")
    app.collecting.database.run(lambda session: session.execute(spoil, {"app_id": app.id}))


def test_redis_is_done_without(hosts: Hosts, redis: RedisServer) -> None:
    """A Redis that does not answer costs a call at most two steps' patience, and no answer."""
    app = hosts.first.app()
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    redis.freeze()
    try:
        began = time.monotonic()
        assert app.ask("event-summary", event="view")["count"] == 1
        # The rate limit asks it too; how busy the machine is says nothing of it.
        assert time.monotonic() - began < 10 * ANSWER_SECONDS
        app.write(app.hit("2026-05-01T10:00", "view", "ada"))
        assert app.ask("event-summary", event="view")["count"] == 2
    finally:
        redis.thaw()


def test_what_is_kept_is_bounded() -> None:
    """In answers and in bytes; what was not asked for longest goes first."""
    cache = AnswerCache(None)
    for number in range(MAX_ANSWERS + 1):
        assert cache.get("0") == (b"x" if number else None)
        cache.put(str(number), b"x")
    assert cache.get("0") is not None
    assert cache.get("1") is None
    assert cache.get("2") is not None
    most = MAX_BYTES // MAX_ANSWER
    for number in range(most + 1):
        cache.put(f"large {number}", b"x" * MAX_ANSWER)
    kept_still = [cache.get(f"large {number}") is not None for number in range(most + 1)]
    assert kept_still == [False, *[True] * most]
    cache.put("huge", b"x" * (MAX_ANSWER + 1))
    assert cache.get("huge") is None
    assert cache.get(f"large {most}") is not None


def test_an_answer_is_of_one_moment(app: Collected) -> None:
    """While hits are written, an answer's parts are of the same hits: each is a new user's."""

    def write() -> None:
        for number in range(60):
            app.write(app.hit("2026-05-01T10:00", "view", f"u{number}"))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            summary = app.ask("event-summary", event="view")
            assert summary["count"] == summary["uniqueUsers"]
        writing.result()
    assert app.ask("event-summary", event="view")["uniqueUsers"] == 60
