"""``POST /console/key``: whom the page's key is given, what it opens, and when it ends."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from logger_lib import JsonObject, uuid7
from tests.services.browser import Browser
from tests.services.herald import HeraldServer, wait_until
from tests.services.socket_client import SocketClient
from tests.web.conftest import object_in, refusal, refused_fields
from webapp.access.scopes import Scope
from webapp.names import EVENTS_ROOM
from webapp.users.live_sessions import LIFETIME_SECONDS

SECONDS = 20


@pytest.fixture
def shop(herald: HeraldServer) -> str:
    """The name of an app that a command has made, with a key of its own."""
    name = f"shop-{uuid7()}"
    herald.issue_key(*Scope, app=name)
    return name


def ask(browser: Browser, app: str) -> requests.Response:
    """Ask for the page's key of an app."""
    return browser.call("/console/key", {"appName": app}, X_CSRF_Token=browser.csrf_token)


def key_of(browser: Browser, app: str) -> str:
    """Return it."""
    answer = ask(browser, app)
    assert answer.status_code in {200, 201}, answer.text
    return str(object_in(answer)["apiKey"])


def listed(browser: Browser, app: str) -> list[JsonObject]:
    """Return the app's keys as its owner sees them."""
    answer = browser.get(f"/auth/api-key?appName={app}")
    assert answer.status_code == 200, answer.text
    keys: list[JsonObject] = answer.json()["keys"]
    return keys


def can_read(herald: HeraldServer, key: str) -> bool:
    """Say whether a key still opens what is to be read."""
    headers = {"Authorization": f"Bearer {key}"}
    status = requests.get(f"{herald.url}/rooms", headers=headers, timeout=SECONDS).status_code
    assert status in {200, 401}
    return status == 200


def test_the_key_does_what_the_page_does(
    herald: HeraldServer, operator: Browser, shop: str
) -> None:
    """It publishes, watches, reads and ends sockets of that one app, for an hour; it is audited."""
    asked_at = datetime.now(UTC)
    answer = ask(operator, shop)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    told = object_in(answer)
    assert told.keys() == {"apiKey", "appId", "expiresAt"}
    left = datetime.fromisoformat(str(told["expiresAt"])) - asked_at
    assert timedelta(minutes=59) < left <= timedelta(minutes=61)
    key = str(told["apiKey"])
    with SocketClient(herald.url, key, EVENTS_ROOM) as live:
        published = herald.post("/events", {"event": "a", "data": {}, "room": "r"}, key)
        assert published.status_code == 202
        assert live.next_event()[0] == "herald:event"
        headers = {"Authorization": f"Bearer {key}"}
        for path in ("/events", "/rooms", "/sockets", "/analytics/top-events"):
            read = requests.get(herald.url + path, headers=headers, timeout=SECONDS)
            assert read.status_code == 200, read.text
        ended = requests.delete(
            f"{herald.url}/sockets/{live.sid}", headers=headers, timeout=SECONDS
        )
        assert ended.status_code == 204
    hit = herald.post("/collect", {"event": "a"}, key)
    refusal(hit, 403, "forbidden")
    of_page = [each for each in listed(operator, shop) if each["name"] == "console"]
    assert [each["scopes"] for each in of_page] == [["publish", "read", "subscribe"]]
    assert of_page[0]["expiresAt"] == told["expiresAt"]
    log = herald.wait_for_log(f'"keyId": "{of_page[0]["id"]}"')
    assert "[audit.key_issued]" in log
    assert key not in log


def test_it_is_good_no_longer_than_the_session(herald: HeraldServer, shop: str) -> None:
    """Who signed in seven and a half hours ago has half an hour left."""
    began = time.time()
    age = LIFETIME_SECONDS - 1800
    user = f"old-{uuid7()}"
    token = herald.sign_in(user, age=age)
    app: JsonObject = {"appName": shop, "appUrl": "https://a.example"}
    assert herald.post("/auth/register", app, token).status_code == 201
    told = object_in(herald.post("/console/key", {"appName": shop}, token))
    ends_at = datetime.fromisoformat(str(told["expiresAt"])).timestamp()
    assert began + 1790 < ends_at <= time.time() + 1800


def test_who_gets_none(herald: HeraldServer, operator: Browser, shop: str) -> None:
    """Nobody without the session, or its CSRF token; not for another's app, nor by an API key."""
    body: JsonObject = {"appName": shop}
    with Browser(herald.url) as nobody:
        refusal(nobody.call("/console/key", body), 401, "unauthorized")
    refusal(operator.call("/console/key", body), 403, "forbidden")
    refusal(operator.call("/console/key", body, X_CSRF_Token="x"), 403, "forbidden")
    refusal(herald.post("/console/key", body, key_of(operator, shop)), 401, "unauthorized")
    stranger = herald.sign_in(f"stranger-{uuid7()}")
    refusal(herald.post("/console/key", body, stranger), 404, "not_found")
    refusal(ask(operator, "no such app"), 404, "not_found")
    token = operator.user_token
    assert herald.post("/console/key", body, token).status_code == 200
    assert list(refused_fields(herald.post("/console/key", {}, token))) == ["appName"]
    more: JsonObject = {**body, "scopes": ["collect"]}
    assert list(refused_fields(herald.post("/console/key", more, token))) == ["scopes"]
    assert herald.post("/console/key", [], token).status_code == 422


def test_all_pages_of_a_session_have_one_key(
    herald: HeraldServer, sign_in: Callable[[], Browser], shop: str
) -> None:
    """However often they are loaded; another session has its own, and so has another app."""
    operator, elsewhere = sign_in(), sign_in()
    first = ask(operator, shop)
    assert first.status_code == 201
    again = [ask(operator, shop) for _ in range(10)]
    assert {answer.status_code for answer in again} == {200}
    assert [object_in(answer) for answer in again] == [object_in(first)] * 10
    key = str(object_in(first)["apiKey"])
    other = key_of(elsewhere, shop)
    assert other != key
    assert len([each for each in listed(operator, shop) if each["name"] == "console"]) == 2
    assert can_read(herald, key)


def test_a_key_that_was_revoked_is_followed_by_another(
    herald: HeraldServer, operator: Browser, shop: str
) -> None:
    """Its page asks again and goes on; of those that have ended none is kept."""
    keys = [key_of(operator, shop)]
    for _ in range(2):
        revoked = operator.call(
            "/auth/revoke", {"apiKey": keys[-1]}, X_CSRF_Token=operator.csrf_token
        )
        assert revoked.status_code == 200
        answer = ask(operator, shop)
        assert answer.status_code == 201
        keys.append(str(object_in(answer)["apiKey"]))
    assert len(set(keys)) == 3
    assert can_read(herald, keys[-1])
    wait_until(lambda: not can_read(herald, keys[0]), "the end of the first key")
    of_pages = [each for each in listed(operator, shop) if each["name"] == "console"]
    assert [each["revokedAt"] is None for each in of_pages] == [True]


def test_signing_out_ends_the_page_s_keys(
    herald: HeraldServer, sign_in: Callable[[], Browser], shop: str
) -> None:
    """Its sockets end with them; those of another session, and the app's own keys, go on."""
    own = herald.issue_key(Scope.READ, app=shop)
    operator, elsewhere = sign_in(), sign_in()
    key, other = key_of(operator, shop), key_of(elsewhere, shop)
    with SocketClient(herald.url, key) as live:
        form = {"csrf_token": operator.csrf_token}
        assert operator.submit("/auth/logout", form).status_code == 200
        name, why = live.next_event()
        assert name == "herald.ended"
        assert "key_revoked" in str(why)
    wait_until(lambda: not can_read(herald, key), "the end of the page's key")
    assert can_read(herald, other)
    everywhere = {"csrf_token": elsewhere.csrf_token, "everywhere": "true"}
    assert elsewhere.submit("/auth/logout", everywhere).status_code == 200
    wait_until(lambda: not can_read(herald, other), "the end of all of the operator's")
    assert can_read(herald, own)
