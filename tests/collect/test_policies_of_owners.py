"""How owners of apps, and the operator in a shell, say how their hits are kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject, JsonValue, uuid7
from tests.services.herald import HeraldServer, wait_until
from tests.services.hits import stored_hits
from tests.web.conftest import object_in, refusal, refused_fields
from webapp.access.scopes import Scope
from webapp.storage.database import Database

USUAL: JsonObject = {"timeZone": "UTC", "keepsAddresses": False, "retentionDays": None}
NO_ZONE = "Must be a name of the IANA time zone database, as Europe/Berlin."
SEEN_SECONDS = 15.0
"""A policy is looked up every ten seconds."""
ROUNDS = 30


class Owner:
    """A signed-in person with an app."""

    def __init__(self, server: HeraldServer) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {server.sign_in(f'user-{uuid7()}')}"}
        about: JsonObject = {"appName": "site", "appUrl": "https://a.example"}
        self.app_id = str(self._call("POST", "/auth/register", about).json()["app"]["id"])
        self.path = f"/auth/apps/{self.app_id}/analytics"

    def _call(self, method: str, path: str, body: JsonValue = None) -> requests.Response:
        url = self._server.url + path
        return requests.request(method, url, json=body, headers=self._headers, timeout=10)

    def policy(self, path: str | None = None) -> requests.Response:
        """Ask how the hits of an app are kept."""
        return self._call("GET", path or self.path)

    def change(self, body: JsonValue, path: str | None = None) -> requests.Response:
        """Have them kept otherwise."""
        return self._call("PATCH", path or self.path, body)

    def key(self) -> str:
        """Issue a key to collect with."""
        answer = self._call("POST", "/auth/api-key", {"appName": "site", "scopes": ["collect"]})
        return str(answer.json()["apiKey"])


@pytest.fixture
def owner(herald: HeraldServer) -> Owner:
    """Somebody with an app."""
    return Owner(herald)


def test_a_policy(herald: HeraldServer, owner: Owner) -> None:
    """What is sent changes, what is not stays, and the trail has who did it."""
    assert object_in(owner.policy()) == USUAL
    changed = owner.change({"timeZone": "Asia/Kolkata", "retentionDays": 90})
    told = {"timeZone": "Asia/Kolkata", "keepsAddresses": False, "retentionDays": 90}
    assert (changed.status_code, object_in(changed)) == (200, told)
    changed = owner.change({"keepsAddresses": True, "retentionDays": None})
    told = {"timeZone": "Asia/Kolkata", "keepsAddresses": True, "retentionDays": None}
    assert object_in(changed) == object_in(owner.policy()) == told
    written = herald.wait_for_log('"keepsAddresses": true')
    assert "[audit.app_changed] by" in written
    assert owner.app_id in written


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timeZone": "Mars/Olympus"}, NO_ZONE),
        ({"timeZone": 1}, NO_ZONE),
        ({"keepsAddresses": "yes"}, "Not a valid boolean."),
        (
            {"retentionDays": 0},
            "Must be greater than or equal to 1 and less than or equal to 36500.",
        ),
        ({"retentionDays": "7"}, "Not a valid integer."),
        ({"retention": 7}, "Unknown field."),
    ],
    ids=repr,
)
def test_refusals(owner: Owner, wrong: JsonObject, said: str) -> None:
    """What cannot be is told by its field, and changes nothing."""
    assert refused_fields(owner.change(wrong)) == {next(iter(wrong)): [said]}
    assert object_in(owner.policy()) == USUAL


def test_nothing_to_change(owner: Owner) -> None:
    """An empty body is told what it may have."""
    error = refusal(owner.change({}), 422, "validation_failed")
    assert "timeZone" in str(error["message"])


def test_the_zone_is_fixed_once_there_are_hits(herald: HeraldServer, owner: Owner) -> None:
    """Hits have days, which are those of a zone: another one is 409, all else can be changed."""
    key = owner.key()
    assert owner.change({"timeZone": "Europe/Berlin"}).status_code == 200
    assert herald.post("/collect", {"event": "a"}, key).status_code == 202
    refusal(owner.change({"timeZone": "UTC"}), 409, "time_zone_fixed")
    assert owner.change({"timeZone": "Europe/Berlin", "retentionDays": 7}).status_code == 200


def test_addresses_are_kept_where_the_app_wants_it(herald: HeraldServer, owner: Owner) -> None:
    """From the moment of the answer on, addresses of the app's hits are stored whole."""
    key, event = owner.key(), f"test.{uuid7()}"
    hit: JsonObject = {"event": event, "ipAddress": "203.0.113.77"}
    assert herald.post("/collect", hit, key).status_code == 202
    assert owner.change({"keepsAddresses": True}).status_code == 200
    assert herald.post("/collect", hit, key).status_code == 202
    kept = [row["ip_address"] for row in stored_hits(herald.home, event, 2)]
    assert kept == ["203.0.113.0", "203.0.113.77"]


@pytest.fixture
def owner_anywhere(any_database: Database, home: Path) -> Iterator[Owner]:
    """Somebody with an app, in a database of each kind."""
    url = any_database.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "SECRET_KEY": "k" * 64, "EVENT_LOGGERS": "logging"}
    with HeraldServer(home, environ) as server:
        yield Owner(server)


def test_changes_at_once(owner_anywhere: Owner) -> None:
    """Of calls that change different things at the same time none undoes what another has done."""
    owner = owner_anywhere
    with ThreadPoolExecutor(2) as callers:
        for days in range(1, ROUNDS + 1):
            changes: list[JsonObject] = [{"retentionDays": days}, {"keepsAddresses": days % 2 > 0}]
            answers = list(callers.map(owner.change, changes))
            assert [answer.status_code for answer in answers] == [200, 200]
            assert object_in(owner.policy()) == {"timeZone": "UTC", **changes[0], **changes[1]}


def test_anothers_app(herald: HeraldServer, owner: Owner) -> None:
    """It answers as one that there is not; nobody who is not signed in learns of either."""
    other = Owner(herald)
    for path in (other.path, f"/auth/apps/{uuid7()}/analytics"):
        for answer in (owner.policy(path), owner.change({"retentionDays": 1}, path)):
            refusal(answer, 404, "not_found")
    assert object_in(other.policy()) == USUAL
    refusal(requests.get(herald.url + other.path, timeout=10), 401, "unauthorized")


def test_in_a_shell(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The operator lists and changes their apps; a running server sees it within ten seconds."""
    with HeraldServer(tmp_path_factory.mktemp("shell")) as server:
        key, event = server.issue_key(Scope.COLLECT, app="shop"), f"test.{uuid7()}"
        hit: JsonObject = {"event": event, "ipAddress": "203.0.113.77"}
        assert server.post("/collect", hit, key).status_code == 202
        lines = server.command("apps", "list").splitlines()
        assert [line.split()[1] for line in lines] == ["NAME", "default", "shop"]
        options = ["--addresses", "whole", "--keep-days", "30"]
        told = server.command("apps", "set", "shop", *options).splitlines()[1].split()
        assert told[-4:] == ["UTC", "whole", "30", "days"]

        for wrong, said in (
            (["--keep-days", "0"], "--keep-days is 1 to 36500, or forever."),
            (["--time-zone", "Mars/Olympus"], "There is no such time zone."),
            (["--time-zone", "Europe/Berlin"], "This app has hits"),
            ([], "Name what is to change"),
        ):
            done = server.run("apps", "set", "shop", *wrong)
            assert done.returncode == 1
            assert said in done.stderr
        assert "forever" in server.command("apps", "set", "shop", "--keep-days", "forever")

        def kept_whole() -> bool:
            assert server.post("/collect", hit, key).status_code == 202
            return stored_hits(server.home, event)[-1]["ip_address"] == "203.0.113.77"

        wait_until(kept_whole, "a whole address", SEEN_SECONDS)
