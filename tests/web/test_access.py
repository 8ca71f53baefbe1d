"""Who may publish: keys, scopes, revocation, and apps that never hear each other."""

import base64
import json
import re
import time
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject, LogQuery
from tests.services.herald import HeraldServer, wait_until
from tests.web.conftest import App, new_app, refusal, stored_log
from webapp.access.scopes import Scope
from webapp.storage.tables import OPERATOR_ID

EVENT: JsonObject = {"event": "a", "data": {}}
PATHS = pytest.mark.parametrize("path", ["/events", "/events/batch"])


@PATHS
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer garbage"},
        {"Authorization": "Bearer herald_a.b.c"},
        {"Authorization": "Bearer herald_" + "x" * 5000},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        {"X-API-Key": "garbage"},
    ],
    ids=str,
)
def test_no_key_or_none_of_ours(herald: HeraldServer, path: str, headers: dict[str, str]) -> None:
    """Without a good key the answer is 401, says how keys are sent, and is the same for all."""
    answer = requests.post(herald.url + path, json=EVENT, headers=headers, timeout=10)
    error = refusal(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "X-API-Key" in str(error["message"])
    assert "garbage" not in answer.text


@PATHS
def test_a_key_in_the_address_is_none(herald: HeraldServer, path: str) -> None:
    """Addresses end up in logs: a key there opens nothing."""
    key = herald.first_key
    address = f"{herald.url}{path}?token={key}&api_key={key}&key={key}"
    refusal(requests.post(address, json=EVENT, timeout=10), 401, "unauthorized")


def test_a_changed_key(herald: HeraldServer) -> None:
    """A key of which one character was changed is none."""
    key = herald.first_key
    changed = key[:-10] + ("A" if key[-10] != "A" else "B") + key[-9:]
    refusal(herald.post("/events", EVENT, changed), 401, "unauthorized")


@PATHS
def test_the_wrong_scope(herald: HeraldServer, path: str) -> None:
    """A good key without the scope is 403, and the answer names the scope."""
    key = herald.issue_key(Scope.SUBSCRIBE, Scope.COLLECT, Scope.READ)
    error = refusal(herald.post(path, EVENT, key), 403, "forbidden")
    assert "publish" in str(error["message"])


def test_the_other_header(app: App) -> None:
    """The key is also taken as X-API-Key."""
    answer = requests.post(
        app.server.url + "/events", json=EVENT, headers={"X-API-Key": app.key}, timeout=10
    )
    assert answer.status_code == 202


def test_keys_come_first(herald: HeraldServer) -> None:
    """Nobody without a key learns what a body must be: the key is looked at first."""
    answer = requests.post(herald.url + "/events", data=b"{,", timeout=10)
    refusal(answer, 401, "unauthorized")


def id_of(key: str) -> str:
    """Return the id that a key carries, as ``keys list`` shows it."""
    payload = key.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


def test_revoked(herald: HeraldServer) -> None:
    """A key that an operator revokes from a shell is refused by the running server within 2 s."""
    key = herald.issue_key(Scope.PUBLISH, app="revoked")
    assert herald.post("/events", EVENT, key).status_code == 202
    herald.command("keys", "revoke", id_of(key))
    revoked_at = time.monotonic()
    wait_until(
        lambda: herald.post("/events", EVENT, key).status_code == 401, "the refusal", seconds=5
    )
    assert time.monotonic() - revoked_at < 2.0


def test_how_long_a_revoked_key_works(herald: HeraldServer) -> None:
    """One that was looked at a moment before it was revoked is refused within 2 s too."""
    key = herald.issue_key(Scope.PUBLISH, app="revoked")
    assert herald.post("/events", EVENT, key).status_code == 202
    herald.revoke_key(key)
    revoked_at = time.monotonic()
    wait_until(lambda: herald.post("/events", EVENT, key).status_code == 401, "the refusal")
    seconds = time.monotonic() - revoked_at
    print(f"revoked: refused over HTTP after {seconds:.2f} s")
    assert seconds < 2.0


def test_a_shell_is_written_down(home: Path) -> None:
    """What an operator does in a shell is in the log too, and on no screen; stdout is the key's."""
    with HeraldServer(home, {"EVENT_LOGGERS": "console,sql"}) as server:
        done = server.run("keys", "issue", "--scopes", "publish")
        assert re.fullmatch(r"herald_\S+\n", done.stdout)
        server.command("keys", "revoke", id_of(done.stdout.strip()))
        assert "audit" not in done.stderr
    with stored_log({"HERALD_HOME": str(home)}) as log:
        written = [
            record.event
            for record in reversed(log.read(LogQuery()))
            if record.fields.get("who") == OPERATOR_ID
        ]
    assert written == ["audit.key_issued", "audit.key_revoked"]


def test_two_apps(herald: HeraldServer) -> None:
    """Two apps with the same room, or with none, never hear each other."""
    mine, theirs = new_app(herald), new_app(herald)
    with mine.connect("orders") as ours, theirs.connect("orders") as other:
        assert mine.publish("to.room", {}, room="orders")["recipients"] == 1
        assert mine.publish("to.all", {})["recipients"] == 1
        theirs.publish("last", {})
        assert other.events_until("last") == []
        assert [ours.next_event()[0] for _ in range(2)] == ["to.room", "to.all"]
