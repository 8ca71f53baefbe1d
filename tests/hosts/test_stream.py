"""The stream in Redis, as one host after the other comes to it."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.services.redis_server import RedisServer
from webapp.hosts.host_stream import HostStream, Item


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_who_joins_reads_the_first_entry_too(redis: RedisServer) -> None:
    """Where the whole stream is younger than what is read of it."""
    first, second = HostStream(redis.url, "first"), HostStream(redis.url, "second")
    try:
        items = [Item(1, b"one", b"2"), Item(2, b"two", b"2")]
        assert first.append("epoch", 0, items, ()).had == 2
        assert second.begin("other", 60.0).epoch == "epoch"
        assert [row.header for row in second.load()] == [b"one", b"two"]
    finally:
        first.close()
        second.close()


def test_a_new_connection_goes_on_where_the_one_before_was(redis: RedisServer) -> None:
    """And from the beginning only where the stream has lost its end."""
    stream = HostStream(redis.url, "first")
    try:
        stream.append("epoch", 0, [Item(1, b"one", b"2"), Item(2, b"two", b"2")], ())
        stream.begin("other", 60.0)
        stream.passed(stream.load()[-1].position)
        stream.reconnect()
        assert stream.read().rows == []
        with Redis.from_url(redis.url) as client:
            client.delete("{herald}:events")
            client.xadd("{herald}:events", {"h": "again", "p": "2"}, id="1-1")
        stream.reconnect()
        assert [row.header for row in stream.read().rows] == [b"again"]
    finally:
        stream.close()
