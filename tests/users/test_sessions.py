"""The cookie of a session, what it is good for, and what it takes beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from requests.cookies import RequestsCookieJar

from logger_lib import JsonObject
from tests.services.browser import Browser, form_in
from tests.services.herald import HeraldServer
from tests.users.test_sign_in import HTML, bearer
from tests.web.conftest import refusal

SHOP: JsonObject = {"appName": "shop", "appUrl": "https://shop.example.com"}


def set_cookie(answer: requests.Response) -> tuple[str, set[str]]:
    """Return the name of the one cookie that ``answer`` sets, and its attributes."""
    first, *attributes = answer.headers["Set-Cookie"].split("; ")
    return first.partition("=")[0], {attribute.partition("=")[0] for attribute in attributes}


def test_the_cookie_on_this_host(herald: HeraldServer) -> None:
    """Over HTTP on this host the cookie is kept from scripts and other sites, and ends in 8 h."""
    for host in ("localhost", "127.0.0.1", "[::1]"):
        answer = requests.get(
            f"{herald.url}/auth/login", headers={"Host": f"{host}:{herald.port}"}, timeout=10
        )
        name, attributes = set_cookie(answer)
        assert name == "herald"
        assert attributes == {"HttpOnly", "Path", "SameSite"}
        assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    with Browser(herald.url) as browser:
        signed_in = browser.use_link(herald.login_link())
        assert set_cookie(signed_in)[1] == {"Expires", "HttpOnly", "Path", "SameSite"}


@pytest.mark.parametrize("host", ["herald.example.com", "localhost.example.com", "127.0.0.2"])
def test_the_cookie_elsewhere(herald: HeraldServer, host: str) -> None:
    """By any other name the cookie goes over HTTPS alone, and to this very host."""
    answer = requests.get(f"{herald.url}/auth/login", headers={"Host": host}, timeout=10)
    assert "Open it by HTTPS" in answer.text
    name, attributes = set_cookie(answer)
    assert name == "__Host-herald"
    assert attributes == {"Secure", "HttpOnly", "Path", "SameSite"}
    assert "Path=/;" in answer.headers["Set-Cookie"] + ";"


@pytest.fixture
def behind_proxy(home: Path) -> Iterator[HeraldServer]:
    with HeraldServer(home, {"TRUSTED_PROXIES": "127.0.0.1"}) as server:
        yield server


def test_the_cookie_behind_a_proxy(behind_proxy: HeraldServer) -> None:
    """What a trusted proxy has got by HTTPS is HTTPS, also on this host."""
    answer = requests.get(
        f"{behind_proxy.url}/auth/login", headers={"X-Forwarded-Proto": "https"}, timeout=10
    )
    assert set_cookie(answer)[0] == "__Host-herald"


@pytest.mark.parametrize(
    ("public_url", "host", "forwarded", "name"),
    [
        ("https://herald.example.com", "localhost", "http", "__Host-herald"),
        ("https://localhost:8443", "localhost", "http", "__Host-herald"),
        ("http://herald.example.com", "localhost", "https", "__Host-herald"),
        ("http://localhost:8055", "evil.example.com", "https", "herald"),
    ],
)
def test_the_cookie_is_public_urls(
    home: Path, public_url: str, host: str, forwarded: str, name: str
) -> None:
    """Where it is said how Herald is reached, no header of a call says how its cookie goes."""
    environ = {"PUBLIC_URL": public_url, "TRUSTED_PROXIES": "127.0.0.1"}
    with HeraldServer(home, environ) as server:
        headers = {"Host": host, "X-Forwarded-Proto": forwarded}
        answer = requests.get(f"{server.url}/auth/login", headers=headers, timeout=10)
    assert set_cookie(answer)[0] == name
    assert ("Secure" in set_cookie(answer)[1]) == (name != "herald")
    assert ("Open it by HTTPS" in answer.text) == (public_url == "http://herald.example.com")


def test_calls_without_a_session_get_none(herald: HeraldServer) -> None:
    """Calls that have nothing to do with a sign-in set no cookie."""
    for path in ("/health/live", "/events", "/auth/apps", "/auth/profile"):
        assert "Set-Cookie" not in requests.get(herald.url + path, timeout=10).headers


def test_signing_in_changes_the_cookie(herald: HeraldServer) -> None:
    """What the browser had before is worth nothing afterwards: a planted session stays outside."""
    with Browser(herald.url) as browser:
        link = herald.login_link()
        page = browser.get(link)
        planted = dict(browser.cookies)
        form = form_in(page.text) | {"token": link.partition("#")[2]}
        assert browser.submit("/auth/login", form).status_code == 303
        assert dict(browser.cookies) != planted
        assert browser.csrf_token != form["csrf_token"]
    answer = requests.get(f"{herald.url}/auth/profile", cookies=planted, timeout=10)
    refusal(answer, 401, "unauthorized")


def test_signing_out(ada: Browser) -> None:
    """After signing out the browser has no session, and no cookie."""
    answer = ada.call("/auth/logout", None, X_CSRF_Token=ada.csrf_token)
    assert answer.json() == {"signedOut": True, "sessions": 1}
    assert not ada.cookies
    refusal(ada.get("/auth/profile"), 401, "unauthorized")


def test_signing_out_by_a_form(ada: Browser) -> None:
    """A page may sign out by a form, and its person arrives at the sign-in."""
    refusal(ada.submit("/auth/logout", {}), 403, "forbidden")
    answer = ada.submit("/auth/logout", {"csrf_token": ada.csrf_token}, Accept=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/auth/login")


@pytest.mark.parametrize(
    "path", ["/auth/register", "/auth/api-key", "/auth/revoke", "/auth/logout"]
)
def test_a_cookie_alone_changes_nothing(ada: Browser, path: str) -> None:
    """A call that changes something is refused without the CSRF token, and says what it needs."""
    for headers in ({}, {"X_CSRF_Token": ""}, {"X_CSRF_Token": "x"}, {"X_CSRF_Token": "\xff"}):
        error = refusal(ada.call(path, SHOP, **headers), 403, "forbidden")
        assert "X-CSRF-Token" in str(error["message"])
    assert ada.get("/auth/apps").json() == {"apps": []}


def test_the_token_of_another_session(ada: Browser, somebody: Callable[[], Browser]) -> None:
    """One's own CSRF token is of no use with somebody else's cookie."""
    mine = somebody().csrf_token
    refusal(ada.call("/auth/register", SHOP, X_CSRF_Token=mine), 403, "forbidden")
    assert ada.call("/auth/register", SHOP, X_CSRF_Token=ada.csrf_token).status_code == 201


def test_the_button_needs_its_token(herald: HeraldServer) -> None:
    """Another site's form cannot sign its visitor in as somebody else."""
    link = herald.login_link()
    token = link.partition("#")[2]
    form = {"token": token, "csrf_token": "x"}
    refusal(requests.post(f"{herald.url}/auth/login", data=form, timeout=10), 403, "forbidden")
    with Browser(herald.url) as browser:
        assert browser.use_link(link).status_code == 303


def test_programs_need_no_csrf_token(ada: Browser) -> None:
    """A call by user token comes from no other site's page: it needs no more."""
    answer = requests.post(
        f"{ada.url}/auth/register", json=SHOP, headers=bearer(ada.user_token), timeout=10
    )
    assert answer.status_code == 201


def test_a_wrong_token_is_not_passed_over(ada: Browser, herald: HeraldServer) -> None:
    """Who sends a Bearer token that is none is refused, cookie or not; an API key is none."""
    for token in ("", "garbage", herald.first_key, f"{ada.user_token[:-3]}AAA"):
        answer = ada.get("/auth/profile", Authorization=f"Bearer {token}")
        refusal(answer, 401, "unauthorized")
    refusal(herald.post("/events", {"event": "a", "data": {}}, ada.user_token), 401, "unauthorized")


def test_a_token_does_not_renew_itself(ada: Browser) -> None:
    """Whoever has a user token has it for its hour: the profile gives no other one for it."""
    profile = ada.profile()
    again = requests.get(
        f"{ada.url}/auth/profile", headers=bearer(str(profile["token"])), timeout=10
    ).json()
    assert (again["token"], again["expiresAt"]) == (profile["token"], profile["expiresAt"])
    assert again["user"] == profile["user"]
    assert again["csrfToken"] is None


def test_who_is_not_signed_in(signing_in: HeraldServer) -> None:
    """A program is told 401; a browser is sent to the sign-in, which knows where to go."""
    with Browser(signing_in.url) as browser:
        refusal(browser.get("/auth/profile"), 401, "unauthorized")
        refusal(browser.get("/auth/profile", Accept="application/json"), 401, "unauthorized")
        sent = browser.get("/auth/profile", Accept=HTML)
        assert (sent.status_code, sent.headers["Location"]) == (302, "/auth/login")
        assert 'href="/auth/google"' in browser.get("/auth/login").text


def changed(cookies: RequestsCookieJar) -> dict[str, str]:
    return {name: f"{value[:-2]}AA" for name, value in cookies.items() if value}


def test_a_changed_cookie(ada: Browser) -> None:
    """A cookie that was not signed here is no session."""
    for cookies in (changed(ada.cookies), {"herald": "x"}, {"herald": "e30.a.b"}):
        answer = requests.get(f"{ada.url}/auth/profile", cookies=cookies, timeout=10)
        refusal(answer, 401, "unauthorized")


def test_nobody_keeps_the_answers(ada: Browser) -> None:
    """What holds a token is stored by no cache, and its address is told to no other site."""
    for path in ("/auth/profile", "/auth/login", "/auth/apps", "/auth/google"):
        answer = ada.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
    assert ada.get("/auth/login").headers["Referrer-Policy"] == "same-origin"


def test_the_page_takes_no_script(herald: HeraldServer) -> None:
    """Nothing that stands in the address is on the page; its one script is a file of Herald's."""
    evil = '"><script>alert(1)</script>'
    page = requests.get(f"{herald.url}/auth/login", params={"token": evil}, timeout=10)
    assert "alert" not in page.text
    script = requests.get(f"{herald.url}/auth/login.js", timeout=10)
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
