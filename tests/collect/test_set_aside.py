"""A user is erased from the hits that were set aside too: on disk, and in Redis."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject, inline, uuid7
from logger_lib.pipeline.dead_letters import DeadLetter, DeadLetters
from tests.logger_lib.test_dead_letters import letters_in
from tests.services.herald import HeraldServer, wait_until
from tests.services.hit_ledger import make_hits
from tests.services.redis_server import RedisServer
from tests.web.conftest import object_in, refusal
from webapp.collect.deletion.erasure import Erased
from webapp.collect.deletion.set_aside import HitsSetAside
from webapp.collect.stream.hit_stream import HIT, HitStream
from webapp.collect.stream.stream_group import DeadLetter as BuriedLetter
from webapp.collect.stream.stream_group import StreamGroup

POISON = "poison"
REFUSING = f"""
CREATE TRIGGER refusing BEFORE INSERT ON hit WHEN NEW.event = '{POISON}'
BEGIN SELECT RAISE(ABORT, 'an operator has forbidden it'); END
"""


class Owner:
    """A signed-in person with an app."""

    def __init__(self, server: HeraldServer) -> None:
        self._server = server
        self._token = server.sign_in(f"owner-{uuid7()}")
        about: JsonObject = {"appName": "site", "appUrl": "https://a.example"}
        made = object_in(server.post("/auth/register", about, self._token))
        assert isinstance(made["app"], dict)
        self.app_id = str(made["app"]["id"])
        wanted: JsonObject = {"appName": "site", "scopes": ["collect"]}
        self._key = str(object_in(server.post("/auth/api-key", wanted, self._token))["apiKey"])

    def collect(self, event: str, user_id: str) -> None:
        """Send a hit, which must be taken."""
        hit: JsonObject = {"event": event, "userId": user_id}
        answer = self._server.post("/collect", hit, self._key)
        assert answer.status_code == 202, answer.text

    def erase(self, user_id: str) -> requests.Response:
        """Erase a user from all apps."""
        return requests.delete(
            f"{self._server.url}/analytics/users",
            params={"userId": user_id},
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=20,
        )


def whose_letters(path: Path) -> list[tuple[str, str]]:
    """Return the app and the user of each dead letter of a file."""
    records = [letter["record"] for letter in letters_in(path)]
    return [(str(hit["app_id"]), str(hit["user_id"])) for hit in records if isinstance(hit, dict)]


def test_those_on_disk(home: Path) -> None:
    """What the database refused for good of a user goes, others' and other apps' stays."""
    path = home / "dead-letters" / "hits.jsonl"
    with HeraldServer(home) as server:
        with closing(sqlite3.connect(home / "herald.db", timeout=10)) as database:
            database.execute(REFUSING)
        owner, other = Owner(server), Owner(server)
        for user_id in ('a"dä', "bob"):
            owner.collect("fine", user_id)
            owner.collect(POISON, user_id)
        other.collect(POISON, 'a"dä')
        wait_until(lambda: path.exists() and len(letters_in(path)) == 3, "three dead letters")
        assert object_in(owner.erase('a"dä')) == {"deletedHits": 2, "isComplete": True}
        assert whose_letters(path) == [(owner.app_id, "bob"), (other.app_id, 'a"dä')]
        owner.collect(POISON, "bob")
        wait_until(lambda: len(letters_in(path)) == 3, "one more")
        assert object_in(owner.erase("bob")) == {"deletedHits": 3, "isComplete": True}
        assert whose_letters(path) == [(other.app_id, 'a"dä')]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer() as server:
        yield server


def bury(server: RedisServer, *hits: str) -> None:
    """Set hits aside as a worker does."""
    group = StreamGroup(server.url, "worker")
    group.bury([BuriedLetter(b"1-0", {HIT: hit.encode()}, "it is odd") for hit in hits])
    group.close()


def test_those_in_redis(home: Path, redis: RedisServer) -> None:
    """A user's go, as hits and as what only looks like one; while Redis is away it is 503."""
    with HeraldServer(home, {"REDIS_URL": redis.url}) as server:
        owner = Owner(server)
        incomplete = json.dumps({"app_id": owner.app_id, "user_id": "ada"})
        bobs, others = (
            json.dumps({"app_id": app_id, "user_id": user_id})
            for app_id, user_id in ((owner.app_id, "bob"), ("another", "ada"))
        )
        bury(redis, incomplete, bobs, others, incomplete[:-1], bobs[:-1], others[:-1])
        assert object_in(owner.erase("ada")) == {"deletedHits": 2, "isComplete": True}
        stream = HitStream(redis.url)
        kept = [fields[HIT].decode() for _, fields in stream.dead_after(b"-", 10)]
        assert kept == [bobs, others, bobs[:-1], others[:-1]]
        stream.close()
        redis.kill()
        refusal(owner.erase("bob"), 503, "unavailable")
        redis.start()


def test_a_call_takes_so_many_and_the_next_one_goes_on(tmp_path: Path, redis: RedisServer) -> None:
    """However many there are in Redis, and behind however many others."""
    file = DeadLetters(tmp_path / "hits.jsonl", "hits", inline)
    hits = make_hits(300)
    file.keep([DeadLetter(hits[5].to_json(), "it is odd")])
    bury(redis, *(hit.to_json() for hit in hits), "no hit at all")
    stream = HitStream(redis.url)
    set_aside = HitsSetAside(file, stream, at_once=2)
    assert set_aside.erase([hits[0].app_id], "user-5 ") == Erased(3, is_complete=False)
    assert set_aside.erase([hits[0].app_id], "user-5") == Erased(1, is_complete=True)
    assert set_aside.erase([hits[0].app_id], "user-5") == Erased(0, is_complete=True)
    assert set_aside.erase(["another"], "user-6") == Erased(0, is_complete=True)
    assert stream.lag().dead == 298
    stream.close()
