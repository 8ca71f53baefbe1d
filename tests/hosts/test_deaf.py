"""A host that says what nobody hears, itself included, is found out by its own heartbeat."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.hosts.conftest import Fleet, fleet, is_ready, load, ready_of
from tests.services.databases import temporary_postgresql
from tests.services.herald import wait_until
from tests.services.redis_server import RedisServer

DEAF_SECONDS = 5.0
BEAT_SECONDS = 2.0


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def two(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two hosts, of which the first is a user of its own at Redis."""
    with Redis.from_url(redis.url) as client, temporary_postgresql() as database:
        client.acl_setuser("first", True, passwords=["+p"], keys=["*"], categories=["+@all"])
        urls = [f"redis://first:p@127.0.0.1:{redis.port}/0", redis.url]
        with fleet(tmp_path_factory.mktemp("deaf"), urls, database) as started:
            yield started


def test_a_deaf_host_is_not_ready_and_misses_nothing(two: Fleet, redis: RedisServer) -> None:
    """It may append and not read: its sockets get its own events, and all others when it hears."""
    deaf, other = two.hosts
    with Redis.from_url(redis.url) as client, load(two, rate=20) as running:
        running.ledger.await_acknowledged(10)
        client.acl_setuser("first", True, commands=["-xread"], reset=False)
        wait_until(lambda: not is_ready(deaf), "the finding", DEAF_SECONDS + BEAT_SECONDS + 5)
        answer = ready_of(deaf)
        assert answer.status_code == 503
        assert answer.json()["parts"]["hosts"].startswith("deaf: ")
        assert answer.json()["hosts"]["state"] == "deaf"
        assert is_ready(other)
        running.ledger.await_acknowledged(20)
        deaf.wait_for_log("this host is deaf")
        client.acl_setuser("first", True, commands=["+xread"], reset=False)
        two.await_all()
        running.ledger.await_acknowledged(10)
    verdict = running.judge()
    print(f"a deaf host: posted {len(running.ledger.entries)}; {verdict}")
    assert verdict.faults == {}
    assert deaf.log_text().count("this host is deaf") == 1
    assert "this host hears again" in deaf.log_text()


def test_a_connection_that_is_killed_is_made_anew(two: Fleet, redis: RedisServer) -> None:
    """All connections of all hosts at once, under load."""
    with Redis.from_url(redis.url) as client, load(two) as running:
        for _ in range(3):
            running.ledger.await_acknowledged(10)
            client.client_kill_filter(_type="normal", skipme=True)
        running.ledger.await_acknowledged(20)
    verdict = running.judge()
    print(f"connections killed three times: posted {len(running.ledger.entries)}; {verdict}")
    assert verdict.faults == {}


def test_what_no_host_has_written_deafens_nobody(two: Fleet, redis: RedisServer) -> None:
    """Whatever else stands in the stream and the inboxes is left out."""
    with Redis.from_url(redis.url) as client, load(two) as running:
        for fields in (
            {"x": "y"},
            {"h": "{", "p": ""},
            {"h": '{"k":"live","host":"h","app":"a","rooms":[]}', "p": "1"},
            {"h": '{"k":"event","host":"h","n":1}', "p": "\x00"},
        ):
            client.xadd("{herald}:events", dict(fields))
            client.xadd(f"{{herald}}:host:{two.ids()[0]}", {"r": "[]", **fields})
        running.ledger.await_acknowledged(20)
    assert running.judge().faults == {}
    assert all(is_ready(host) for host in two.hosts)
