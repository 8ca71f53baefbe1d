"""Recovery on a server with Redis: sessions are there for others, and nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
from redis import Redis

from tests.recovery.conftest import App
from tests.recovery.returning import Returning
from tests.services.herald import HeraldServer, wait_until
from tests.services.redis_server import RedisServer
from webapp.realtime.redis_sessions import PREFIX


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis of these tests' own."""
    with RedisServer() as started:
        yield started


@pytest.fixture(scope="module")
def shared(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app ``default`` of a server that has this Redis."""
    home = tmp_path_factory.mktemp("shared")
    with HeraldServer(home, {"REDIS_URL": redis.url}) as server:
        yield App(server, "default", server.first_key)


def test_sessions_of_the_connected(redis: RedisServer, shared: App) -> None:
    """The session of a connected socket is in Redis, with its rooms, in case its host dies."""
    with (
        Returning(shared.server.port, shared.key).come("ours") as client,
        Redis.from_url(redis.url) as asking,
    ):
        name = PREFIX + client.pid

        def kept() -> bytes:
            return asking.hget(name, "session") or b""

        wait_until(lambda: b'"ours"' in kept(), "the session")
        client.ask("leave", room="ours")
        wait_until(lambda: b'"ours"' not in kept(), "the session without the room")
        # Held for as long as it takes to hold it anew, and to notice that its host is gone.
        assert 120 < asking.ttl(name) <= 120 + 40 + 45
        client.vanish()
        wait_until(lambda: asking.ttl(name) <= 120, "the time of a client that is away")
        assert asking.ttl(name) > 100
        assert client.come().recovered
        client.leave()
        wait_until(lambda: not asking.exists(name), "the end of the session")


def test_joined_while_redis_is_away(redis: RedisServer, shared: App) -> None:
    """What its host gave a room before it was joined does not come, and has no place yet."""
    with Returning(shared.server.port, shared.key).come("first") as client:
        redis.freeze()
        try:
            shared.publish(1, room="second")
            client.ask("join", room="second")
            client.vanish()
            shared.publish(2, room="second")
            assert client.come().recovered
            assert client.read_to(2) == [2]
        finally:
            redis.thaw()


def test_what_is_told(shared: App) -> None:
    """``/health/ready`` counts what is kept, who has recovered, and who has not and why."""

    def told() -> dict[str, int]:
        answer = requests.get(f"{shared.server.url}/health/ready", timeout=10).json()["recovery"]
        refused = answer.pop("refused")
        return {**answer, "unknown": refused.get("unknown session", 0)}

    before = told()
    with Returning(shared.server.port, shared.key).come("ours") as client:
        shared.publish(1, room="ours")
        client.read_to(1)
        client.vanish()
        assert client.come().recovered
        client.vanish()
        client.pid = "nobody's"
        assert not client.come().recovered
        after = told()
    gained = {what: after[what] - before[what] for what in after}
    assert (gained["events"], gained["recovered"], gained["unknown"]) == (1, 1, 1)
    assert gained["bytes"] > 0
    assert after["sessions"] >= 2
    assert (after["eventsGivenUp"], after["sessionsGivenUp"], after["cutOff"]) == (0, 0, 0)


def test_without_an_answer(redis: RedisServer, shared: App) -> None:
    """While Redis does not answer, who comes back to the same host recovers, and soon."""
    with Returning(shared.server.port, shared.key).come("ours") as client:
        redis.freeze()
        try:
            client.vanish()
            shared.publish(1, room="ours")
            began = time.monotonic()
            assert client.come().recovered
            assert time.monotonic() - began < 2.0
            assert client.read_to(1) == [1]
        finally:
            redis.thaw()
