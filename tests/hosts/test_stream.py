"""The stream in Redis, as one host after the other comes to it."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.services.redis_server import RedisServer
from webapp.hosts.host_stream import HostStream, Item, began_behind
from webapp.hosts.stream_scripts import EVENTS
from webapp.realtime.offsets import BEGINNING


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_who_joins_reads_the_first_entry_too(redis: RedisServer) -> None:
    """Where the whole stream is younger than what is read of it."""
    first, second = HostStream(redis.url, "first"), HostStream(redis.url, "second")
    try:
        items = [Item(1, b"one", b"2"), Item(2, b"two", b"2")]
        assert first.append(0, items, ()).had == 2
        begun = second.begin(60.0)
        rows = second.load()
        assert [row.header for row in rows] == [b"one", b"two"]
        assert {row.epoch for row in rows} == {begun.epoch}
        assert began_behind(begun.epoch) == BEGINNING
    finally:
        first.close()
        second.close()


def test_each_connection_begins_an_epoch(redis: RedisServer) -> None:
    """Nobody knows whether it is to the same Redis; the epoch says where the stream was then."""
    first, second = HostStream(redis.url, "first"), HostStream(redis.url, "second")
    try:
        for number in (1, 2):
            first.append(number - 1, [Item(number, b"one", b"2")], ())
        second.append(0, [Item(1, b"two", b"2")], ())
        first.append(2, [Item(3, b"three", b"2")], ())
        second.begin(60.0)
        rows = second.load()
        assert len({row.epoch for row in rows}) == 2
        assert rows[2].epoch == rows[3].epoch
        assert began_behind(rows[2].epoch) == rows[1].position
    finally:
        first.close()
        second.close()


def test_what_was_read_is_found_again_unless_it_was_lost(redis: RedisServer) -> None:
    """Up to there it is the same; what stands behind it is read, though its clock may be slow."""
    stream = HostStream(redis.url, "first")
    try:
        stream.append(0, [Item(1, b"one", b"2"), Item(2, b"two", b"2")], ())
        epoch = stream.begin(60.0).epoch
        one, two = stream.load()
        stream.passed(two.position)
        stream.reconnect()
        assert stream.meeting({epoch}.__contains__) == two.position
        assert stream.read().rows == []
        milliseconds, number = one.position
        with Redis.from_url(redis.url) as client:
            client.delete(EVENTS)
            client.xadd(EVENTS, {"e": epoch, "h": "one", "p": "2"}, id=f"{milliseconds}-{number}")
            for again in range(3):
                other = f"{again}b-{milliseconds}-{number + again}"
                at = f"{milliseconds}-{number + again + 1}"
                client.xadd(EVENTS, {"e": other, "h": f"again {again}", "p": "2"}, id=at)
        place = stream.meeting({epoch}.__contains__)
        assert place == one.position
        stream.read_on_from(place)
        assert [row.header for row in stream.read().rows] == [b"again 0", b"again 1", b"again 2"]
    finally:
        stream.close()


def test_the_stream_is_bounded_by_the_bytes_that_it_has(redis: RedisServer) -> None:
    """A large entry counts as much as it has, for all hosts, and not as the measure of others."""
    bound, large = 4_194_304, 900_000
    first = HostStream(redis.url, "first", max_bytes=bound)
    second = HostStream(redis.url, "second", max_bytes=bound)
    small = [Item(0, b"h" * 200, b"p" * 100)] * 100
    try:
        with Redis.from_url(redis.url) as client:
            for _ in range(50):
                first.append(0, small, ())
            second.append(0, [Item(0, b"large", b"p" * large)], ())
            for _ in range(100):
                second.append(0, [Item(0, b"beat")], ())
            assert client.xlen(EVENTS) == 5_101
            for _ in range(200):
                first.append(0, small, ())
                assert client.memory_usage(EVENTS, samples=0) < bound * 1.2 + large
            assert client.memory_usage(EVENTS, samples=0) > bound * 0.8
            assert client.xlen(EVENTS) > 8_000
    finally:
        first.close()
        second.close()
