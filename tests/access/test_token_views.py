"""``POST /tokens``: how a room token is asked for, and what becomes of one that is not good."""

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import RawWebSocket
from webapp.access.room_tokens import (
    PREFIX,
)
from webapp.access.scopes import Scope


@pytest.fixture(scope="module")
def key(herald: HeraldServer) -> str:
    return herald.issue_key(Scope.SUBSCRIBE, app=uuid.uuid4().hex)


def _ask(herald: HeraldServer, key: str, **body: JsonValue) -> requests.Response:
    return herald.post("/tokens", {**body}, key)


def test_asking_for_a_token(herald: HeraldServer, key: str) -> None:
    """The answer has the token, its rooms and its end, an hour later, and is kept by no cache."""
    answer = _ask(herald, key, rooms=["orders", "order.*"], subject="user-7")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told.keys() == {"token", "expiresAt", "rooms"}
    assert told["token"].startswith(PREFIX)
    assert told["rooms"] == ["orders", "order.*"]
    ends = datetime.fromisoformat(told["expiresAt"])
    assert 3590 < (ends - datetime.now(UTC)).total_seconds() <= 3601


def test_a_token_asked_for_is_on_record(herald: HeraldServer, key: str) -> None:
    """The audit trail has who asked, for whom and which rooms; the token is nowhere."""
    subject = uuid.uuid4().hex
    told = _ask(herald, key, rooms=["orders"], subject=subject).json()
    wait_until(lambda: subject in _records(herald), "the record")
    (record,) = [line for line in _records(herald).splitlines() if subject in line]
    fields = json.loads(record)
    assert fields.pop("token") != told["token"]
    assert fields.pop("who")
    assert fields.pop("app")
    assert fields == {
        "address": "127.0.0.1",
        "subject": subject,
        "rooms": ["orders"],
        "expiresAt": told["expiresAt"],
    }
    assert told["token"] not in herald.log_text() + _records(herald)


def _records(herald: HeraldServer) -> str:
    """Return what is in the log of the tokens that were asked for, a line each."""
    with closing(sqlite3.connect(herald.home / "herald.db", timeout=10)) as database:
        query = "SELECT fields FROM event_log WHERE event = 'audit.token_issued'"
        return "\n".join(str(fields) for (fields,) in database.execute(query))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"rooms": ["Missing data for required field."]}),
        ({"rooms": []}, {"rooms": ["Length must be between 1 and 100."]}),
        ({"rooms": ["a"] * 101}, {"rooms": ["Length must be between 1 and 100."]}),
        ({"rooms": "a"}, {"rooms": ["Must be an array."]}),
        ({"rooms": [5]}, {"rooms": {"0": ["Must be a string."]}}),
        ({"rooms": ["a", ""]}, {"rooms": {"1": ["Must not be empty."]}}),
        ({"rooms": ["a\n"]}, {"rooms": {"0": ["Must have no control characters."]}}),
        ({"rooms": ["a" * 201]}, {"rooms": {"0": ["Must have at most 200 characters."]}}),
        ({"rooms": ["a*b"]}, {"rooms": {"0": ["May have a * at its end alone."]}}),
        ({"rooms": ["a"], "ttl": 0}, None),
        ({"rooms": ["a"], "ttl": 86_401}, None),
        ({"rooms": ["a"], "ttl": True}, {"ttl": ["Not a valid integer."]}),
        ({"rooms": ["a"], "ttl": "60"}, {"ttl": ["Not a valid integer."]}),
        ({"rooms": ["a"], "ttl": 1.5}, {"ttl": ["Not a valid integer."]}),
        ({"rooms": ["a"], "ttl": None}, {"ttl": ["Field may not be null."]}),
        ({"rooms": ["a"], "subject": ""}, {"subject": ["Must not be empty."]}),
        ({"rooms": ["a"], "subject": 7}, {"subject": ["Not a valid string."]}),
        ({"rooms": ["a"], "app": "other"}, {"app": ["Unknown field."]}),
        ([], None),
        ("rooms", None),
    ],
)
def test_what_is_asked_for_is_checked(
    herald: HeraldServer, key: str, body: JsonValue, fields: JsonObject | None
) -> None:
    """What cannot be is refused by field."""
    answer = herald.post("/tokens", body, key)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "validation_failed"
    if fields is not None:
        assert error["fields"] == fields


def test_a_whole_number(herald: HeraldServer, key: str) -> None:
    """JSON has one kind of number: 60.0 is as whole as 60."""
    assert _ask(herald, key, rooms=["a"], ttl=60.0).status_code == 201


def test_a_body_of_unknown_keys(herald: HeraldServer, key: str) -> None:
    """Of a hundred thousand keys that mean nothing a few are named."""
    body = {f"k{number}": 1 for number in range(50_000)}
    answer = _ask(herald, key, **body)
    assert answer.status_code == 422
    assert len(answer.content) < 2_000


def test_the_scope(herald: HeraldServer) -> None:
    """A key that may not listen makes no token for listening."""
    publishing = herald.issue_key(Scope.PUBLISH, Scope.READ, Scope.COLLECT)
    assert _ask(herald, publishing, rooms=["a"]).status_code == 403


def test_a_room_token_is_no_key(herald: HeraldServer, key: str) -> None:
    """Nothing but a socket takes a room token: it neither publishes nor reads nor makes another."""
    token = _ask(herald, key, rooms=["a"]).json()["token"]
    calls: list[tuple[str, str, JsonValue]] = [
        ("POST", "/tokens", {"rooms": ["a"]}),
        ("POST", "/events", {"event": "a", "data": {}}),
        ("POST", "/events/batch", {"events": [{"event": "a", "data": {}}]}),
        ("GET", "/events", None),
        ("GET", f"/events/{uuid.uuid4()}", None),
    ]
    for method, path, body in calls:
        for headers in ({"Authorization": f"Bearer {token}"}, {"X-API-Key": token}):
            answer = requests.request(
                method, herald.url + path, json=body, headers=headers, timeout=10
            )
            assert answer.status_code == 401, (method, path, answer.text)


class Tries:
    """Counts what was tried with tokens on a server, and what became of it."""

    def __init__(self, server: HeraldServer) -> None:
        self.server = server
        self.made = self.failed = self.admitted = 0

    def try_socket(self, token: str) -> None:
        """Connect a socket with ``token``."""
        with RawWebSocket(self.server.port).open() as client:
            answer = client.ask_login(token)
        self.made += 1
        self.admitted += answer.startswith("40")
        self.failed += "internal_error" in answer or not answer.startswith("44")

    def try_http(self, token: str) -> None:
        """Ask for a token with ``token`` as the key."""
        header = token.encode("utf-8", "surrogatepass").decode("latin-1")
        if not re.fullmatch(r"[\x21-\x7e\x80-\xff]*", header):
            return  # no HTTP client sends it
        answer = requests.post(
            f"{self.server.url}/tokens",
            json={"rooms": ["a"]},
            headers={"X-API-Key": header},
            timeout=10,
        )
        self.made += 1
        self.admitted += answer.ok
        self.failed += answer.status_code >= 500


@pytest.fixture
def tries(herald: HeraldServer) -> Iterator[Tries]:
    counted, worker = Tries(herald), herald.worker_pid
    yield counted
    print(
        f"\ntokens: {counted.made} tried, {counted.admitted} let in, {counted.failed} failed,"
        f" {int(herald.worker_pid != worker)} processes died"
    )
    assert (counted.failed, counted.admitted, herald.worker_pid) == (0, 0, worker)
    assert counted.made > 100


def _changed(good: str) -> Callable[[str, int, int, int], str]:
    def change(put: str, start: int, length: int, kind: int) -> str:
        begin = start % len(good)
        changed = good[:begin] + put + good[begin + length :]
        return [changed, put, PREFIX + put, good.removeprefix(PREFIX) + put, good[:begin]][kind]

    return change


def test_tokens_of_all_kinds(herald: HeraldServer, key: str, tries: Tries) -> None:
    """Mutated, truncated and made-up tokens get nobody in, by HTTP or as a socket; no 5xx."""
    token = str(_ask(herald, key, rooms=["a"]).json()["token"])
    change = _changed(token)
    for dots in ("", ".", "..", "...", "." * 1000, "e30.e30.e30", "x" * 40_000):
        tries.try_socket(PREFIX + dots)

    @settings(max_examples=80)
    @given(st.text(max_size=12), st.integers(0, 10_000), st.integers(0, 40), st.integers(0, 4))
    def fuzz(put: str, start: int, length: int, kind: int) -> None:
        changed = change(put, start, length, kind)
        if changed != token:
            tries.try_socket(json.loads(json.dumps(changed)))
            tries.try_http(changed)

    began = time.monotonic()
    fuzz()
    assert time.monotonic() - began < 30
