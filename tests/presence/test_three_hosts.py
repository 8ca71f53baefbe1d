"""Three hosts as one: who is there and who comes and goes, whichever host is asked."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts.conftest import Fleet, fleet, hosts_of, ready_of
from tests.presence.conftest import (
    JOINED,
    LEFT,
    ask,
    next_change,
    next_sid,
    rooms_of,
    sids_in,
    sockets_in,
    told,
    watch,
)
from tests.services.crowd import Crowd
from tests.services.databases import temporary_postgresql
from tests.services.herald import HeraldServer, wait_until
from tests.services.redis_server import RedisServer
from tests.services.socket_client import SocketClient
from webapp.access.scopes import Scope
from webapp.presence.wire import PART_SIZE

DEAD_SECONDS = 15.0
"""After which a host that was killed is off every list."""

MANY = 3 * PART_SIZE // 200

ANSWER_SECONDS = 0.3
SLACK = 1.0
"""Seconds more, as everything stands still at times on a machine that others use."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def three(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with (
        temporary_postgresql() as database,
        fleet(tmp_path_factory.mktemp("three"), [redis.url] * 3, database) as started,
    ):
        yield started


def heard_watch(host: HeraldServer, key: str) -> None:
    """Return when the other hosts have heard what is watched at ``host``.

    They answer its questions in the order in which they hear it.
    """
    assert "unreached" not in told(host, key, "/rooms")


@pytest.fixture
def key(three: Fleet, request: pytest.FixtureRequest) -> str:
    """The key of an app of the test's own."""
    scopes = (Scope.SUBSCRIBE, Scope.READ, Scope.PUBLISH)
    return three.hosts[0].issue_key(*scopes, app=request.node.name)


def test_rooms_and_sockets_of_all_hosts(three: Fleet, key: str) -> None:
    """They are added up, at whichever host is asked, and are right while sockets come and go."""
    first, second, third = three.hosts
    with (
        SocketClient(first.url, key, "a", "b") as one,
        SocketClient(second.url, key, "b") as two,
        SocketClient(third.url, key) as three_,
    ):
        for host in three.hosts:
            body = told(host, key, "/rooms")
            assert body == {
                "sockets": 3,
                "rooms": [{"room": "a", "sockets": 1}, {"room": "b", "sockets": 2}],
                "next": None,
            }
            page = told(host, key, "/rooms/b/sockets")
            assert page["count"] == 2
            where = {each["sid"]: each["host"] for each in sockets_in(page)}
            assert where == {one.sid: three.ids()[0], two.sid: three.ids()[1]}
        three_.call("join", {"room": "c"})
        assert rooms_of(first, key) == {"a": 1, "b": 2, "c": 1}
        one.call("leave", {"room": "b"})
        assert rooms_of(third, key) == {"a": 1, "b": 1, "c": 1}
    for host in three.hosts:
        wait_until(lambda: told(host, key, "/rooms")["sockets"] == 0, "the end of all")  # noqa: B023


def test_other_apps_are_not_seen(three: Fleet, key: str) -> None:
    """Nor are those who watch told of them, on no host."""
    other = three.hosts[0].issue_key(Scope.SUBSCRIBE, Scope.READ, app="presence of others")
    with (
        ExitStack() as stack,
        watch(three.hosts[0], key, "a") as watching,
        SocketClient(three.hosts[1].url, other, "a", "secret"),
    ):
        heard_watch(three.hosts[0], key)
        own = stack.enter_context(SocketClient(three.hosts[2].url, key, "a"))
        assert next_sid(watching) == (JOINED, own.sid)
        assert rooms_of(three.hosts[2], key) == {"a": 1}
        assert sids_in(three.hosts[0], key, "a") == {own.sid}
        assert sids_in(three.hosts[0], key, "secret") == set()


def test_pages_over_all_hosts(three: Fleet, key: str) -> None:
    """Every room once, in order, with the sum of its sockets; also where hosts cut their answers.

    A host answers at most 128 KiB at once, and the names here have 200 characters.
    """
    names = sorted(f"{number:04}".ljust(200, "é") for number in range(600))
    with (
        Crowd(three.hosts[0].port, 6, key) as here,
        Crowd(three.hosts[1].port, 6, key) as there,
        Crowd(three.hosts[2].port, 1, key) as elsewhere,
    ):
        for crowd in (here, there):
            for number, member in enumerate(crowd.members):
                for name in names[100 * number : 100 * number + 100]:
                    member.join(name)
            crowd.read_until(lambda: all(m.rooms == 100 for m in crowd.members), "joins")  # noqa: B023
        for name in names[::10]:
            elsewhere.members[0].join(name)
        elsewhere.read_until(lambda: elsewhere.members[0].rooms == 60, "joins")
        for host in three.hosts:
            seen: dict[str, int] = {}
            pages = 0
            after: dict[str, str] = {}
            while True:
                body = told(host, key, "/rooms", limit=1000, **after)
                page = {r["room"]: r["sockets"] for r in json.loads(json.dumps(body["rooms"]))}
                assert page
                assert not page.keys() & seen.keys()
                seen |= page
                pages += 1
                if body["next"] is None:
                    break
                after = {"after": str(body["next"])}
            assert [*seen] == names
            assert pages > 1
            assert seen == {name: 3 if at % 10 == 0 else 2 for at, name in enumerate(names)}


def test_pages_of_sockets_over_all_hosts(three: Fleet, key: str) -> None:
    """Each socket once, sorted by sid."""
    with Crowd(three.hosts[0].port, 15, key) as here, Crowd(three.hosts[1].port, 15, key) as there:
        for crowd in (here, there):
            crowd.join("a", crowd.members)
        sids = sorted(member.sid for member in [*here.members, *there.members])
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = told(three.hosts[2], key, "/rooms/a/sockets", limit=7, **after)
            assert page["count"] == 30
            seen += [str(each["sid"]) for each in sockets_in(page)]
            if page["next"] is None:
                break
            after = {"after": str(page["next"])}
        assert seen == sids


def test_who_joins_and_leaves_on_any_host(three: Fleet, key: str) -> None:
    """Watchers on every host are told once, in the order of each host, with its name."""
    ids = three.ids()
    with watch(three.hosts[0], key, "a") as here, watch(three.hosts[1], key, "a") as there:
        heard_watch(three.hosts[0], key)
        heard_watch(three.hosts[1], key)
        for number, host in enumerate(three.hosts):
            with SocketClient(host.url, key, "a") as moving:
                moving.call("leave", {"room": "a"})
                moving.call("join", {"room": "a"})
                sid = moving.sid
            for watching in (here, there):
                changes = [next_change(watching) for _ in range(4)]
                assert [name for name, _ in changes] == [JOINED, LEFT, JOINED, LEFT]
                about = {"room": "a", "sid": sid, "subject": None, "host": ids[number]}
                assert all(data == about for _, data in changes)
        three.hosts[2].post("/events", {"event": "last", "data": {}}, key)
        assert here.events_until("last") == there.events_until("last") == []


def test_nothing_is_missed_between_watching_and_asking(three: Fleet, key: str) -> None:
    """Who watches first and asks then knows of everybody who joins meanwhile on another host."""
    for number in range(10):
        room = f"room {number}"
        with Crowd(three.hosts[1].port, 20, key) as crowd:
            for member in crowd.members[:10]:
                member.join(room)
            with watch(three.hosts[0], key, room) as watching:
                for member in crowd.members[10:]:
                    member.join(room)
                known = sids_in(three.hosts[0], key, room)
                crowd.read_until(lambda: all(m.rooms for m in crowd.members), "joins")
                while len(known) < len(crowd.members):
                    name, sid = next_sid(watching)
                    assert name == JOINED
                    known.add(sid)
                assert known == {member.sid for member in crowd.members}


def test_a_crowd_that_comes_and_goes(three: Fleet, key: str) -> None:
    """Hundreds that join at once and leave at once: each is told of once."""
    with watch(three.hosts[0], key, "a") as watching:
        heard_watch(three.hosts[0], key)
        with Crowd(three.hosts[2].port, 300, key) as crowd:
            crowd.join("a", crowd.members)
            sids = {member.sid for member in crowd.members}
            changes = [next_sid(watching) for _ in sids]
            assert {name for name, _ in changes} == {JOINED}
            assert {sid for _, sid in changes} == sids
        changes = [next_sid(watching) for _ in sids]
        assert {name for name, _ in changes} == {LEFT}
        assert {sid for _, sid in changes} == sids


@pytest.mark.timeout(120)
def test_redis_frozen(three: Fleet, redis: RedisServer, key: str) -> None:
    """Answers come in time, with what is here, and name whom they are without.

    What was not told meanwhile is made good.
    """
    with (
        SocketClient(three.hosts[0].url, key, "a") as here,
        SocketClient(three.hosts[1].url, key, "a") as there,
        watch(three.hosts[0], key, "a") as watching,
    ):
        there_sid = there.sid
        heard_watch(three.hosts[0], key)
        for host in three.hosts[1:]:
            with SocketClient(host.url, key, "a") as moving:
                assert next_sid(watching) == (JOINED, moving.sid)
            assert next_sid(watching)[0] == LEFT
        redis.freeze()
        try:
            for _ in range(3):
                began = time.monotonic()
                body = told(three.hosts[0], key, "/rooms")
                took = time.monotonic() - began
                print(f"with Redis frozen: answered after {1000 * took:.0f} ms")
                assert took < ANSWER_SECONDS + SLACK
                assert body["unreached"] == sorted(three.ids()[1:])
                assert rooms_of(three.hosts[0], key) == {"a": 1}
                page = told(three.hosts[0], key, "/rooms/a/sockets")
                assert page["unreached"] == sorted(three.ids()[1:])
                assert [each["sid"] for each in sockets_in(page)] == [here.sid]
            there.call("leave", {"room": "a"})
            with SocketClient(three.hosts[0].url, key, "a") as near:
                assert next_sid(watching) == (JOINED, near.sid)
                joins = SocketClient(three.hosts[2].url, key, "a")
        finally:
            redis.thaw()
        with joins as late:
            three.await_all()
            told_of = {next_sid(watching) for _ in range(3)}
            assert (LEFT, there_sid) in told_of
            assert (JOINED, late.sid) in told_of
            assert "unreached" not in told(three.hosts[0], key, "/rooms")
            assert sids_in(three.hosts[0], key, "a") == {here.sid, late.sid}


@pytest.mark.timeout(120)
def test_a_host_killed(three: Fleet, key: str) -> None:
    """Its sockets are off the list at once, it is named until it is known to be dead.

    Then who watches is told that its sockets have left, those too that were there before the watch:
    so many, with such names, that hosts tell each other of them in several parts.
    """
    survivor, victim = three.hosts[0], three.hosts[2]
    subject = "s" * 200
    answer = victim.post("/tokens", {"rooms": ["a"], "subject": subject}, key)
    with (
        Crowd(victim.port, MANY, answer.json()["token"]) as many,
        Crowd(victim.port, 5, key) as crowd,
        SocketClient(survivor.url, key, "a") as here,
    ):
        gone = three.ids()[2]
        many.join("a", many.members)
        members = many.members + crowd.members
        with watch(survivor, key, "a") as watching:
            heard_watch(survivor, key)
            crowd.join("a", crowd.members)
            assert {next_sid(watching)[0] for _ in crowd.members} == {JOINED}
            assert rooms_of(survivor, key) == {"a": 1 + len(members)}
            victim.kill()
            killed_at = time.monotonic()
            body = told(survivor, key, "/rooms")
            assert body["unreached"] == [gone]
            assert body["sockets"] == 2
            wait_until(
                lambda: "unreached" not in told(survivor, key, "/rooms"),
                "the death of a host",
                DEAD_SECONDS + SLACK,
            )
            listed = time.monotonic() - killed_at
            left = {next_sid(watching) for _ in members}
            took = time.monotonic() - killed_at
            print(
                f"a host killed: named for {listed:.1f} s, its sockets told of after {took:.1f} s"
            )
            assert left == {(LEFT, member.sid) for member in members}
            assert took < DEAD_SECONDS + 5 * SLACK
            assert sids_in(survivor, key, "a") == {here.sid}
    victim.start()
    three.await_all()


def test_what_is_told_of_questions(three: Fleet, key: str) -> None:
    """``/health/ready`` counts who watches, what is asked, and who answers too late."""
    asking, frozen = three.hosts[0], three.hosts[1]

    def seen(what: str) -> int:
        return int(ready_of(asking).json()["presence"][what])

    name = three.ids()[1]
    before = {what: seen(what) for what in ("watchers", "questions", "unreached", "lateAnswers")}
    with watch(asking, key, "a"):
        assert seen("watchers") == before["watchers"] + 1
        os.kill(frozen.worker_pid, signal.SIGSTOP)
        try:
            assert told(asking, key, "/rooms")["unreached"] == [name]
        finally:
            os.kill(frozen.worker_pid, signal.SIGCONT)
        wait_until(lambda: seen("lateAnswers") > before["lateAnswers"], "the late answer")
    assert seen("questions") == before["questions"] + 1
    assert seen("unreached") == before["unreached"] + 1
    wait_until(lambda: seen("watchers") == before["watchers"], "the end of the watcher")
    three.await_all()


@pytest.mark.timeout(120)
def test_a_host_that_was_not_heard_for_long(three: Fleet, key: str) -> None:
    """Its sockets have left when it is taken for dead, and have joined when it is heard again."""
    survivor, frozen = three.hosts[0], three.hosts[1]
    with Crowd(frozen.port, 2, key) as crowd, watch(survivor, key, "a") as watching:
        heard_watch(survivor, key)
        crowd.join("a", crowd.members)
        sids = {member.sid for member in crowd.members}
        assert {next_sid(watching)[1] for _ in sids} == sids
        os.kill(frozen.worker_pid, signal.SIGSTOP)
        try:
            wait_until(lambda: hosts_of(survivor)["others"] == 1, "a death", DEAD_SECONDS + SLACK)
            assert {next_sid(watching) for _ in sids} == {(LEFT, sid) for sid in sids}
        finally:
            os.kill(frozen.worker_pid, signal.SIGCONT)
        assert {next_sid(watching) for _ in sids} == {(JOINED, sid) for sid in sids}
    three.await_all()


def test_a_host_that_ends_in_order(three: Fleet, key: str) -> None:
    """Its sockets have left, and it is not missed."""
    survivor, leaver = three.hosts[0], three.hosts[2]
    with Crowd(leaver.port, 3, key) as crowd, watch(survivor, key, "a") as watching:
        heard_watch(survivor, key)
        crowd.join("a", crowd.members)
        sids = {member.sid for member in crowd.members}
        assert {next_sid(watching)[1] for _ in sids} == sids
        leaver.stop()
        assert {next_sid(watching) for _ in sids} == {(LEFT, sid) for sid in sids}
        assert told(survivor, key, "/rooms") == {"sockets": 1, "rooms": [], "next": None}
        leaver.start()
        three.await_all()
        with SocketClient(leaver.url, key, "a") as comer:
            assert next_sid(watching) == (JOINED, comer.sid)


def test_a_host_that_has_never_heard_of_the_others(
    three: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where Redis was out of reach from the beginning nobody knows who is missing."""
    redis = RedisServer()
    with redis, HeraldServer(tmp_path_factory.mktemp("lonely"), {"REDIS_URL": redis.url}) as host:
        del three
        key = host.issue_key(Scope.READ)
        assert "unreached" not in told(host, key, "/rooms")
        redis.freeze()
        host.stop()
        host.start()
        assert told(host, key, "/rooms")["unreached"] == ["*"]
        assert ask(host, key, "/rooms/a/sockets").json()["unreached"] == ["*"]
