"""Rate limits on real servers: who is held to which, what is said of them, and who is spared."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonObject, uuid7
from tests.access.conftest import Clock, Nobody
from tests.services.herald import HeraldServer, wait_until
from tests.services.redis_server import RedisServer
from tests.services.socket_client import SocketClient
from tests.services.sockets import RawWebSocket
from tests.web.conftest import refusal
from webapp.access import windows as windows_module
from webapp.access.address import THIS_HOST, address_group
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.meter import Meter
from webapp.access.rate_limits import Kind, RateLimits
from webapp.access.scopes import Scope
from webapp.access.tokens import KeyClaims, KeySigner
from webapp.access.windows import Windows
from webapp.errors import TooManyRequests, Unauthorized
from webapp.prompt_redis import ANSWER_SECONDS

EVENT: JsonObject = {"event": "a", "data": {}}
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
AROUND, THROUGH = "application/json", "application/json; charset=utf-8"
"""What has a call go around Flask, and through it."""


def started(home: Path, **environ: str) -> HeraldServer:
    """Return a server, with the doors of the probe, that was started with these settings."""
    server = HeraldServer(home, environ)
    server.start("tests.access.probe_app:app")
    return server


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server with low limits."""
    server = started(
        tmp_path_factory.mktemp("limited"),
        RATE_LIMIT_PUBLISH="5/hour",
        RATE_LIMIT_READ="3/hour",
        RATE_LIMIT_TOKENS="2/hour",
        RATE_LIMIT_AUTH="4/hour",
    )
    try:
        yield server
    finally:
        server.stop()


def told(answer: requests.Response) -> tuple[int, int]:
    """Return the limit and what is left of it, as the headers of ``answer`` say."""
    limit, left, seconds = (int(answer.headers[name]) for name in HEADERS)
    assert 0 < seconds <= 3600
    return limit, left


def check_refused(answer: requests.Response) -> None:
    """Hold that ``answer`` is the refusal of a call beyond a limit, in the envelope."""
    error = refusal(answer, 429, "too_many_requests")
    seconds = int(answer.headers["Retry-After"])
    assert 0 < seconds <= 3600
    assert f"again in {seconds} s" in str(error["message"])
    assert told(answer)[1] == 0


@pytest.mark.parametrize("kind", [AROUND, THROUGH])
def test_publishing(limited: HeraldServer, kind: str) -> None:
    """A key publishes as much as is granted, by Flask and around it; another is not concerned."""
    key, other = (limited.issue_key(Scope.PUBLISH) for _ in range(2))
    limited.post("/events/batch", {"events": []}, key)  # refused, and the key known from now on
    for left in (3, 2, 1, 0):
        answer = limited.post("/events", EVENT, key, Content_Type=kind)
        assert answer.status_code == 202
        assert told(answer) == (5, left)
    check_refused(limited.post("/events", EVENT, key, Content_Type=kind))
    check_refused(limited.post("/events", EVENT, key, Content_Type=kind))
    assert limited.post("/events", EVENT, other, Content_Type=kind).status_code == 202


def test_a_batch_counts_its_events(limited: HeraldServer) -> None:
    """Whoever sends events in batches is granted no more of them."""
    key = limited.issue_key(Scope.PUBLISH)
    answer = limited.post("/events/batch", {"events": [EVENT] * 4}, key)
    assert answer.status_code == 202
    assert told(answer) == (5, 1)
    check_refused(limited.post("/events/batch", {"events": [EVENT] * 2}, key))


def test_reading(limited: HeraldServer) -> None:
    """Reads are limited by key, page and single event alike; and publishing is another limit."""
    key = limited.issue_key(Scope.READ, Scope.PUBLISH)
    headers = {"X-API-Key": key}
    for path in ("/events", f"/events/{uuid7()}", "/events?limit=1"):
        assert requests.get(limited.url + path, headers=headers, timeout=10).status_code != 429
    check_refused(requests.get(limited.url + "/events", headers=headers, timeout=10))
    assert limited.post("/events", EVENT, key).status_code == 202


def test_making_tokens(limited: HeraldServer) -> None:
    """Room tokens are limited by the key that they are made with."""
    key = limited.issue_key(Scope.SUBSCRIBE)
    for left in (1, 0):
        answer = limited.post("/tokens", {"rooms": ["a"]}, key)
        assert answer.status_code == 201
        assert told(answer) == (2, left)
    check_refused(limited.post("/tokens", {"rooms": ["a"]}, key))
    other = limited.issue_key(Scope.SUBSCRIBE)
    assert limited.post("/tokens", {"rooms": ["a"]}, other).status_code == 201


def test_without_a_good_key_the_address_counts(limited: HeraldServer) -> None:
    """Forged keys, however many, are one caller; it takes nothing from those with good keys."""
    for number in range(3):
        headers = {"X-API-Key": f"herald_forged{number}"}
        answer = requests.get(limited.url + "/events", headers=headers, timeout=10)
        assert answer.status_code == 401
    check_refused(requests.get(limited.url + "/events", headers=headers, timeout=10))
    check_refused(requests.get(limited.url + "/events", timeout=10))
    key = limited.issue_key(Scope.READ)
    answer = requests.get(limited.url + "/events", headers={"X-API-Key": key}, timeout=10)
    assert answer.status_code == 200


def test_signing_in(limited: HeraldServer) -> None:
    """Whatever is under /auth/ is limited by address, with a good key as without."""
    headers = {"X-API-Key": limited.issue_key(Scope.READ)}
    for left in (3, 2, 1, 0):
        answer = requests.get(limited.url + "/auth/probe", headers=headers, timeout=10)
        assert told(answer) == (4, left)
    check_refused(requests.post(limited.url + "/auth/probe", timeout=10))
    assert requests.get(limited.url + "/health/live", timeout=10).status_code == 200


def auth_from(server: HeraldServer, forwarded: str) -> int:
    """Return the status of a call to /auth/ that says it comes from ``forwarded``."""
    given = {"X-Forwarded-For": forwarded, "Forwarded": f"for={forwarded}", "X-Real-IP": forwarded}
    return requests.get(server.url + "/auth/probe", headers=given, timeout=10).status_code


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
def test_whose_address_counts(home: Path, trusted: str) -> None:
    """Behind a trusted proxy the client's address counts; nobody else can say where he is."""
    server = started(home, RATE_LIMIT_AUTH="2/hour", TRUSTED_PROXIES=trusted)
    try:
        statuses = [auth_from(server, f"198.51.100.{number}") for number in (1, 1, 1, 2, 3)]
        assert statuses == [200, 200, 429, *([200, 200] if trusted else [429, 429])]
        # What stands left of it is the client's own writing.
        forged = auth_from(server, "203.0.113.9, 198.51.100.1")
        assert forged == 429
    finally:
        server.stop()


def test_what_has_no_limit_says_nothing_of_one(herald: HeraldServer) -> None:
    """Publishing is not limited by default, and health never is."""
    answers = [
        herald.post("/events", EVENT),
        requests.get(herald.url + "/health/live", timeout=10),
        requests.get(herald.url + "/nowhere", timeout=10),
    ]
    assert not any(name in answer.headers for answer in answers for name in HEADERS)


def test_opening_sockets(home: Path) -> None:
    """An address opens as many sockets as is granted; the next is refused at the handshake."""
    with HeraldServer(home, {"RATE_LIMIT_CONNECT": "3/hour"}) as server:
        path = f"{server.url}/socket.io/?EIO=4&transport=polling"
        for _ in range(2):
            with RawWebSocket(server.port) as client:
                assert client.answer()[0] == 101
        opened = requests.get(path, timeout=10)
        assert opened.status_code == 200
        refused = requests.get(path, timeout=10)
        refusal(refused, 429, "too_many_requests")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
        with RawWebSocket(server.port) as client:
            status, headers, _ = client.answer()
        assert (status, int(headers["retry-after"]) > 0) == (429, True)
        # Those that are open go on: only a handshake counts.
        sid = opened.json()["sid"] if opened.text[0] == "{" else opened.text.split('"')[3]
        assert requests.post(f"{path}&sid={sid}", data=b"40{}", timeout=10).status_code == 200


def well_signed(server: HeraldServer) -> str:
    """Return a key that the server's secret has signed and its database does not know."""
    signer = KeySigner((server.home / "secret_key").read_text().strip())
    return signer.sign(KeyClaims(str(uuid7()), "app", frozenset(Scope), int(time.time())))


def test_a_flood_of_unknown_keys(home: Path) -> None:
    """Forged keys cost no query; well signed ones that nobody knows no more than is granted."""
    server = started(home, RATE_LIMIT_REFUSED="10/hour")
    try:
        good = server.first_key
        assert server.post("/events", EVENT, good).status_code == 202

        def queries() -> int:
            return int(requests.get(server.url + "/test/queries", timeout=10).json())

        def statuses(keys: list[str]) -> list[int]:
            return [server.post("/events", EVENT, key).status_code for key in keys]

        before = queries()
        assert statuses([f"{good[:-20]}{number:020}" for number in range(5)]) == [401] * 5
        assert queries() == before
        assert statuses([well_signed(server) for _ in range(50)]) == [401] * 5 + [429] * 45
        after = queries()
        assert after - before <= 10
        # Who shares the address and was seen before is served, who comes without a key hears 401.
        assert server.post("/events", EVENT, good).status_code == 202
        assert requests.post(server.url + "/events", json=EVENT, timeout=10).status_code == 401
        before = queries()
        for _ in range(20):
            with pytest.raises(CannotConnect):
                SocketClient(server.url, well_signed(server))
        assert queries() == before
        # Nor is a user kept from revoking a key: user tokens are no keys, and have another limit.
        user = server.sign_in("ada")
        named: JsonObject = {"id": "none of theirs"}
        assert server.post("/auth/revoke", named, user).status_code == 404
        minted = server.post("/tokens", {"rooms": ["a"]}, good).json()["token"]
        for honest in (good, minted):
            with SocketClient(server.url, honest) as client:
                assert client.connected
        before = queries()
        with pytest.raises(CannotConnect):
            SocketClient(server.url, f"{minted[:-20]}{0:020}")
        assert queries() == before
        assert server.log_text().count("socket.refused") == 0
    finally:
        server.stop()


def test_sockets_count_their_bad_keys(home: Path) -> None:
    """A key that a socket presents counts as one in a header; the refusal says when to come."""
    with HeraldServer(home, {"RATE_LIMIT_REFUSED": "3/hour"}) as server:
        with RawWebSocket(server.port).open() as client:
            answers = [client.ask_login("herald_forged") for _ in range(4)]
        assert ["unauthorized" in answer for answer in answers] == [True] * 3 + [False]
        assert "too_many_requests" in answers[3]
        assert '"retryAfter":' in answers[3]
        refusal(server.post("/events", EVENT, "herald_forged"), 429, "too_many_requests")


def test_hosts_share_their_limits(tmp_path: Path) -> None:
    """With a Redis what two hosts grant together is the limit; frozen, each counts on alone."""
    with RedisServer() as redis:
        environ = {
            "REDIS_URL": redis.url,
            "DATABASE_URL": f"sqlite:///{tmp_path}/herald.db",
            "SECRET_KEY": "s" * 32,
            "RATE_LIMIT_PUBLISH": "6/hour",
        }
        with (
            HeraldServer(tmp_path / "one", environ) as one,
            HeraldServer(tmp_path / "two", environ) as two,
        ):
            key, other = (one.issue_key(Scope.PUBLISH) for _ in range(2))
            lefts = [told(host.post("/events", EVENT, key))[1] for host in (one, two, one, two)]
            assert lefts == [5, 4, 3, 2]
            redis.freeze()
            began = time.monotonic()
            assert told(two.post("/events", EVENT, key)) == (6, 1)
            assert time.monotonic() - began < 10 * ANSWER_SECONDS
            assert told(one.post("/events", EVENT, other)) == (6, 5)
            printed = two.log_text()
            assert printed.count("each host counts its own for the rate limits") == 1
            redis.thaw()
            wait_until(
                lambda: told(two.post("/events", EVENT, other))[1] <= 4, "counting in Redis again"
            )


def test_redis_gone() -> None:
    """Without its Redis a host counts alone at once, says so once, and counts the failures."""
    windows = Windows(redis_url="redis://127.0.0.1:1/0")
    began = time.monotonic()
    assert [windows.incr("key", 60) for _ in range(50)] == list(range(1, 51))
    assert time.monotonic() - began < 10 * ANSWER_SECONDS
    assert windows.failures == 1
    windows.close()


def test_a_good_key_that_was_idle(
    gate: Gate, keys: ApiKeys, clock: Clock, statements: list[str]
) -> None:
    """Behind an address that spent its bad keys, one that was good a day ago is looked at, once.

    Nobody who shares an address with an attacker is locked out, and a key that was revoked since
    is not let through: after the look that finds out it is one of the bad ones.
    """
    limits = RateLimits(
        Flask("app"),
        {Kind.REFUSED: RateLimitItemPerMinute(1)},
        gate=gate,
        rules={},
        sizes={},
        redis_url=None,
        caller=Nobody(),
    )
    good, revoked = (keys.issue("shop", frozenset({Scope.PUBLISH})) for _ in range(2))
    for key in (good, revoked):
        gate.admit(key.token, Scope.PUBLISH)
    keys.revoke(revoked.key.id)
    clock.now += 86_400
    limits.note_bad_key("198.51.100.1")
    del statements[:]
    for token in (f"{good.token[:-9]}AAAAAAAAA", keys.issue("shop", frozenset(Scope)).token):
        del statements[:]
        with pytest.raises(TooManyRequests):
            limits.check_key("198.51.100.1", token)
        assert statements == []
    limits.check_key("198.51.100.1", good.token)
    assert gate.admit(good.token, Scope.PUBLISH).key_id == good.key.id
    limits.check_key("198.51.100.1", revoked.token)
    with pytest.raises(Unauthorized):
        gate.admit(revoked.token, Scope.PUBLISH)
    with pytest.raises(TooManyRequests):
        limits.check_key("198.51.100.1", revoked.token)


def test_windows_end(clock: Clock) -> None:
    """When its window ends, all is granted again."""
    meter = Meter(Windows(timer=clock), RateLimitItemPerSecond(2), "scope", "too many")
    assert [meter.spend("who") for _ in range(3)] == [True, True, False]
    assert meter.is_spent("who")
    assert (meter.left("who"), meter.seconds_left("who")) == (0, 1)
    assert meter.exceeded("who").retry_after == 1
    assert meter.refused == 1
    clock.now += 1
    assert not meter.is_spent("who")
    assert meter.spend("who")
    assert meter.left("who") == 1


def test_windows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are so many windows and no more: the oldest goes, and that is counted."""
    monkeypatch.setattr(windows_module, "MAX_WINDOWS", 2)
    windows = Windows()
    meter = Meter(windows, RateLimitItemPerMinute(1), "scope", "too many")
    assert [meter.spend(who) for who in ("a", "b", "c")] == [True] * 3
    assert windows.evicted == 1
    assert [meter.is_spent(who) for who in ("a", "b", "c")] == [False, True, True]
    # A flood of one kind takes nothing from another, whoever it is about.
    other = Meter(windows, RateLimitItemPerMinute(1), "another", "too many")
    assert [other.spend(who) for who in ("c", "2001:db8::/64", "d")] == [True] * 3
    assert [meter.is_spent(who) for who in ("b", "c")] == [True] * 2
    assert windows.evicted == 2
    assert windows.check()
    windows.clear(RateLimitItemPerMinute(1).key_for("b", "scope"))
    assert windows.reset() == 3
    assert not meter.is_spent("c")


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("no:address", "no:address"),
        ("", THIS_HOST),
        (None, THIS_HOST),
    ],
)
def test_addresses(address: str | None, group: str) -> None:
    """Whoever has a network of IPv6 is one caller, whichever of its addresses they use."""
    assert address_group(address) == group
