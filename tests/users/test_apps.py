"""Apps and keys of signed-in people: what one can do, and what one never sees."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import requests

from logger_lib import JsonObject, JsonValue
from tests.services.browser import Browser
from tests.services.herald import HeraldServer, wait_until
from tests.services.socket_client import SocketClient
from tests.web.conftest import object_in, refusal, refused_fields
from webapp.access.apps import MAX_APPS
from webapp.access.views import MAX_GOOD_KEYS


@dataclass(frozen=True, slots=True)
class Owner:
    """A signed-in person, who calls by user token."""

    url: str
    token: str

    def post(self, path: str, body: JsonValue) -> requests.Response:
        """POST JSON."""
        return requests.post(
            self.url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )

    def get(self, path: str, **query: str) -> requests.Response:
        """GET with a query string."""
        return requests.get(
            self.url + path,
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )

    def register(self, name: str) -> JsonObject:
        """Register an app, which must be taken."""
        answer = self.post("/auth/register", {"appName": name, "appUrl": "https://a.example"})
        assert answer.status_code == 201, answer.text
        app = answer.json()["app"]
        assert isinstance(app, dict)
        return app

    def issue(self, app: str, **more: JsonValue) -> JsonObject:
        """Issue a key, which must be given."""
        answer = self.post("/auth/api-key", {"appName": app, **more})
        assert answer.status_code == 201, answer.text
        return object_in(answer)

    def keys(self, name: str) -> list[JsonObject]:
        """List the keys of an app."""
        answer = self.get("/auth/api-key", appName=name)
        assert answer.status_code == 200, answer.text
        keys: list[JsonObject] = answer.json()["keys"]
        return keys


@pytest.fixture
def ada(somebody: Callable[[], Browser]) -> Owner:
    browser = somebody()
    return Owner(browser.url, browser.user_token)


@pytest.fixture
def eve(somebody: Callable[[], Browser]) -> Owner:
    browser = somebody()
    return Owner(browser.url, browser.user_token)


def test_an_app_and_its_keys(ada: Owner) -> None:
    """A key is shown whole once; its list says all but what would open anything."""
    app = ada.register("shop")
    assert app == ada.get("/auth/apps").json()["apps"][0]
    assert (app["appName"], app["appUrl"]) == ("shop", "https://a.example")
    assert ada.keys("shop") == []
    scopes: list[JsonValue] = ["read", "publish"]
    issued = ada.issue("shop", scopes=scopes, name="backend", expiresInDays=30)
    token, key = str(issued["apiKey"]), issued["key"]
    assert isinstance(key, dict)
    (listed,) = ada.keys("shop")
    assert listed == key
    assert list(listed) == [
        "id",
        "prefix",
        "lastFour",
        "scopes",
        "name",
        "createdAt",
        "expiresAt",
        "lastUsedAt",
        "revokedAt",
    ]
    assert (listed["prefix"], listed["lastFour"]) == ("herald_", token[-4:])
    assert (listed["scopes"], listed["name"]) == (["publish", "read"], "backend")
    assert str(listed["expiresAt"]) > str(listed["createdAt"])
    assert listed["lastUsedAt"] is listed["revokedAt"] is None
    assert token[:-4] not in ada.get("/auth/api-key", appName="shop").text


def test_rotation_with_overlap(ada: Owner, signing_in: HeraldServer) -> None:
    """A second key works beside the first one, and goes on when that one is revoked."""
    ada.register("shop")
    old, new = (str(ada.issue("shop")["apiKey"]) for _ in range(2))
    event: JsonObject = {"event": "a", "data": {}}
    assert [signing_in.post("/events", event, key).status_code for key in (old, new)] == [202, 202]
    revoked = ada.post("/auth/revoke", {"apiKey": old})
    assert revoked.json()["key"]["revokedAt"] is not None
    assert ada.post("/auth/revoke", {"apiKey": old}).json() == revoked.json()
    wait_until(lambda: signing_in.post("/events", event, old).status_code == 401, "refusal", 2)
    assert signing_in.post("/events", event, new).status_code == 202
    assert [key["revokedAt"] is None for key in ada.keys("shop")] == [False, True]


def test_what_a_key_can_do_unless_it_says_more(ada: Owner, signing_in: HeraldServer) -> None:
    """Without scopes a key is a service's: it sends, and neither listens nor reads."""
    ada.register("shop")
    issued = ada.issue("shop")
    assert ada.keys("shop")[0]["scopes"] == ["collect", "publish"]
    headers = {"X-API-Key": str(issued["apiKey"])}
    refusal(requests.get(f"{signing_in.url}/events", headers=headers, timeout=10), 403, "forbidden")


def test_two_owners_of_one_name(ada: Owner, eve: Owner, signing_in: HeraldServer) -> None:
    """The same name is another app for each owner: they do not hear each other."""
    assert ada.register("shop")["id"] != eve.register("shop")["id"]
    scopes: list[JsonValue] = ["publish", "subscribe"]
    ours, theirs = (str(each.issue("shop", scopes=scopes)["apiKey"]) for each in (ada, eve))
    event: JsonObject = {"event": "a", "data": {}, "room": "orders"}
    with SocketClient(signing_in.url, ours, "orders"), SocketClient(signing_in.url, theirs):
        assert object_in(signing_in.post("/events", event, ours))["recipients"] == 1
        assert object_in(signing_in.post("/events", event, theirs))["recipients"] == 0
    assert len(ada.keys("shop")) == 1


def test_anothers_app_is_not_there(ada: Owner, eve: Owner, signing_in: HeraldServer) -> None:
    """Whatever names somebody else's app or key answers as for one that there is not."""
    ada.register("shop")
    issued = ada.issue("shop")
    key = issued["key"]
    assert isinstance(key, dict)
    absent = "01a20257-0000-7000-8000-000000000000"

    def answers(app: str, key_id: str) -> list[tuple[int, str]]:
        calls = [
            eve.get("/auth/api-key", appName=app),
            eve.post("/auth/api-key", {"appName": app}),
            eve.post("/auth/revoke", {"id": key_id}),
        ]
        return [
            (call.status_code, call.text.replace(app, "APP").replace(key_id, "KEY"))
            for call in calls
        ]

    theirs = answers("shop", str(key["id"]))
    assert theirs == answers("nothing", absent)
    assert {status for status, _ in theirs} == {404}
    refusal(eve.post("/auth/revoke", {"apiKey": issued["apiKey"]}), 404, "not_found")
    assert eve.get("/auth/apps").json() == {"apps": []}
    assert [found["revokedAt"] for found in ada.keys("shop")] == [None]
    event: JsonObject = {"event": "a", "data": {}}
    assert signing_in.post("/events", event, str(issued["apiKey"])).status_code == 202


def test_the_operators_apps_are_nobodys_else(ada: Owner, signing_in: HeraldServer) -> None:
    """What was made in a shell belongs to the operator; the operator may revoke any key there."""
    refusal(ada.get("/auth/api-key", appName="default"), 404, "not_found")
    refusal(ada.post("/auth/revoke", {"apiKey": signing_in.first_key}), 404, "not_found")
    ada.register("shop")
    key = ada.issue("shop")["key"]
    assert isinstance(key, dict)
    signing_in.command("keys", "revoke", str(key["id"]))
    assert ada.keys("shop")[0]["revokedAt"] is not None


def test_nobody_who_is_not_signed_in(signing_in: HeraldServer) -> None:
    """Each of these calls is for people who have signed in; an API key is none."""
    for token in ("", signing_in.first_key):
        nobody = Owner(signing_in.url, token)
        for answer in (
            nobody.get("/auth/apps"),
            nobody.get("/auth/api-key", appName="default"),
            nobody.post("/auth/register", {}),
            nobody.post("/auth/api-key", {}),
            nobody.post("/auth/revoke", {}),
        ):
            assert "/auth/login" in str(refusal(answer, 401, "unauthorized")["message"])


APP: JsonObject = {"appName": "a", "appUrl": "https://a.example"}


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/auth/register", {}, ["appName", "appUrl"]),
        ("/auth/register", APP | {"appName": ""}, ["appName"]),
        ("/auth/register", APP | {"appName": "x" * 101}, ["appName"]),
        ("/auth/register", APP | {"appName": "two\nlines"}, ["appName"]),
        ("/auth/register", APP | {"appName": 5}, ["appName"]),
        ("/auth/register", APP | {"appUrl": "javascript:alert(1)"}, ["appUrl"]),
        ("/auth/register", APP | {"appUrl": "https://"}, ["appUrl"]),
        ("/auth/register", APP | {"appUrl": "https://["}, ["appUrl"]),
        ("/auth/register", APP | {"appUrl": f"https://{'a' * 2000}.example"}, ["appUrl"]),
        ("/auth/register", APP | {"owner": "me"}, ["owner"]),
        ("/auth/api-key", {}, ["appName"]),
        ("/auth/api-key", {"appName": "a", "scopes": []}, ["scopes"]),
        ("/auth/api-key", {"appName": "a", "scopes": ["admin"]}, ["scopes"]),
        ("/auth/api-key", {"appName": "a", "scopes": "publish"}, ["scopes"]),
        ("/auth/api-key", {"appName": "a", "scopes": [["publish"]]}, ["scopes"]),
        ("/auth/api-key", {"appName": "a", "expiresInDays": 0}, ["expiresInDays"]),
        ("/auth/api-key", {"appName": "a", "expiresInDays": 3651}, ["expiresInDays"]),
        ("/auth/api-key", {"appName": "a", "expiresInDays": 1.5}, ["expiresInDays"]),
        ("/auth/api-key", {"appName": "a", "name": " x"}, ["name"]),
        ("/auth/revoke", {}, ["apiKey"]),
        ("/auth/revoke", {"apiKey": "a", "id": "b"}, ["apiKey"]),
        ("/auth/revoke", {"id": ["b"]}, ["id"]),
    ],
    ids=str,
)
def test_what_is_refused_by_field(
    ada: Owner, path: str, body: JsonObject, wrong: list[str]
) -> None:
    """A body that is not what the call takes is a 422 that names each field."""
    assert sorted(refused_fields(ada.post(path, body))) == wrong


def test_other_refusals(ada: Owner) -> None:
    """A name twice, a list instead of an object, a query without its parameter: each says so."""
    ada.register("shop")
    refusal(ada.post("/auth/register", APP | {"appName": "shop"}), 409, "app_name_taken")
    for path in ("/auth/register", "/auth/api-key", "/auth/revoke"):
        refusal(ada.post(path, []), 422, "validation_failed")
    assert refused_fields(ada.get("/auth/api-key")).keys() == {"appName"}
    refusal(ada.post("/auth/revoke", {"apiKey": "herald_a.b.c"}), 404, "not_found")
    refusal(ada.post("/auth/revoke", {"id": "\0"}), 404, "not_found")


def test_there_is_an_end_to_it(ada: Owner) -> None:
    """Apps of an owner and good keys of an app are bounded; a revoked key makes room."""
    for number in range(MAX_APPS):
        ada.register(f"app {number}")
    refusal(ada.post("/auth/register", APP), 409, "limit_reached")
    keys = [ada.issue("app 0")["key"] for _ in range(MAX_GOOD_KEYS)]
    refusal(ada.post("/auth/api-key", {"appName": "app 0"}), 409, "limit_reached")
    first = keys[0]
    assert isinstance(first, dict)
    ada.post("/auth/revoke", {"id": first["id"]})
    ada.issue("app 0")
