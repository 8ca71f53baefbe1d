"""The browser's side: headers of every answer, which sites' pages may call, whose sockets open."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.services.raw_http import RawHttp
from tests.services.sockets import RawWebSocket
from tests.web.conftest import refusal
from webapp.access.scopes import Scope
from webapp.security_headers import DATA_POLICY, HSTS, PAGE_POLICY

LISTED = "https://app.example.com"
EVIL = "https://evil.example.com"
EVENT: JsonObject = {"event": "a", "data": {}}
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that one other site's pages may call, behind a proxy that speaks TLS."""
    environ = {"CORS_ORIGINS": LISTED, "TRUSTED_PROXIES": "127.0.0.0/8"}
    server = HeraldServer(tmp_path_factory.mktemp("site"), environ)
    try:
        server.start("tests.access.probe_app:app")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def any_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that every site's pages may call."""
    with HeraldServer(tmp_path_factory.mktemp("any"), {"CORS_ORIGINS": "*"}) as server:
        yield server


def check_headers(headers: dict[str, str], policy: str = DATA_POLICY) -> None:
    """Hold that ``headers``, by their names in lower case, have all that every answer has."""
    assert headers["x-content-type-options"] == "nosniff"
    is_page = policy != DATA_POLICY
    assert headers["referrer-policy"] == ("same-origin" if is_page else "no-referrer")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["content-security-policy"] == policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def headers_of(answer: requests.Response) -> dict[str, str]:
    """Return the headers of ``answer`` by their names in lower case."""
    return {name.lower(): value for name, value in answer.headers.items()}


def test_every_answer(site: HeraldServer) -> None:
    """Good and bad, through Flask, around it, before it and by Socket.IO: all have the headers."""
    around, through = "application/json", "application/json; charset=utf-8"
    polling = f"{site.url}/socket.io/?EIO=4&transport=polling"
    answers = [
        *(site.post("/events", EVENT, Content_Type=kind) for kind in (around, around, through)),
        site.post("/events", EVENT, "no key"),
        site.post("/events", {}),
        requests.get(site.url + "/health/live", timeout=10),
        requests.get(site.url + "/nowhere", timeout=10),
        requests.delete(site.url + "/events", timeout=10),
        site.post_raw("/test/failure", b""),
        requests.get(polling, timeout=10),
        requests.get(polling, headers={"Origin": EVIL}, timeout=10),
    ]
    statuses = [202, 202, 202, 401, 422, 200, 404, 405, 500, 200, 400]
    assert [answer.status_code for answer in answers] == statuses
    for answer in answers:
        check_headers(headers_of(answer))
        assert answer.headers["Cache-Control"] == "no-store"
        assert HSTS[0] not in answer.headers
    options = requests.options(site.url + "/events", timeout=10)
    check_headers(headers_of(options), PAGE_POLICY)  # Flask calls its empty answer a page
    assert options.headers["Content-Length"] == "0"
    with RawHttp(site.port, b"no HTTP\r\n\r\n") as client:
        check_headers(client.answer().headers)


def test_https(site: HeraldServer) -> None:
    """Where TLS is spoken the browser is told to keep to it."""
    answer = requests.get(
        site.url + "/health/live", headers={"X-Forwarded-Proto": "https"}, timeout=10
    )
    assert answer.headers[HSTS[0]] == HSTS[1]


def test_every_page(site: HeraldServer) -> None:
    """Each page has the strict policy, and holds nothing inline that the policy would stop."""
    pages = 0
    for path in requests.get(site.url + "/test/routes", timeout=10).json():
        answer = requests.get(site.url + path, timeout=10, headers={"Accept": "text/html"})
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            pages += 1
            assert answer.headers["Content-Security-Policy"] == PAGE_POLICY, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert "," not in answer.headers["Referrer-Policy"], path
            assert not INLINE.search(answer.text), path
    assert pages >= 2, "the page of the probe, and that of the sign-in"


def preflight(server: HeraldServer, origin: str) -> requests.Response:
    """Ask as a browser does before a page of ``origin`` may publish."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return requests.options(server.url + "/events", headers=asked, timeout=10)


def cors_of(answer: requests.Response) -> dict[str, str]:
    """Return what ``answer`` allows to a page of another site."""
    found = headers_of(answer)
    return {name: value for name, value in found.items() if "access-control" in name}


def test_a_listed_site(site: HeraldServer) -> None:
    """A page of a listed site may publish, without cookies, and read the answer, refusals too."""
    asked = preflight(site, LISTED)
    assert asked.status_code == 204
    allowed = cors_of(asked)
    assert allowed["access-control-allow-origin"] == LISTED
    assert "access-control-allow-credentials" not in allowed
    assert "POST" in allowed["access-control-allow-methods"]
    assert {"Authorization", "Content-Type"} <= set(
        allowed["access-control-allow-headers"].split(", ")
    )
    check_headers(headers_of(asked))
    for answer in (
        site.post("/events", EVENT, Origin=LISTED),
        site.post("/events", EVENT, Origin=LISTED),
        site.post("/events", EVENT, "no key", Origin=LISTED),
    ):
        assert cors_of(answer)["access-control-allow-origin"] == LISTED
        assert "access-control-allow-credentials" not in cors_of(answer)
        assert "Retry-After" in cors_of(answer)["access-control-expose-headers"]
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        f"{LISTED}.evil.example",
        f"{LISTED}:444",
        "http://app.example.com",
        "https://example.com",
        "null",
        "*",
        "",
        f"{LISTED},{EVIL}",
    ],
)
def test_another_site(site: HeraldServer, origin: str) -> None:
    """No other site's page may call or read, however much its name looks like a listed one."""
    refusal(preflight(site, origin), 403, "forbidden_origin")
    assert cors_of(preflight(site, origin)) == {}
    assert cors_of(site.post("/events", EVENT, Origin=origin)) == {}


def test_any_site(any_site: HeraldServer) -> None:
    """With ``*`` any page may call with a key, and none with its visitor's cookies."""
    for answer in (preflight(any_site, EVIL), any_site.post("/events", EVENT, Origin=EVIL)):
        allowed = cors_of(answer)
        assert allowed["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in allowed


def test_no_site_is_told_by_default(herald: HeraldServer) -> None:
    """Without CORS_ORIGINS Herald's own pages alone may call."""
    refusal(preflight(herald, LISTED), 403, "forbidden_origin")
    assert preflight(herald, herald.url).status_code == 204


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (LISTED, 101),
        (LISTED.upper(), 101),
        (EVIL, 400),
        (f"{LISTED}.evil.example", 400),
        (f"{LISTED}:444", 400),
        ("http://app.example.com", 400),
        ("null", 400),
        ("*", 400),
        (f"{LISTED} {EVIL}", 400),
        (f"{EVIL}/{LISTED}", 400),
    ],
)
def test_cross_site_websocket_hijacking(site: HeraldServer, origin: str, status: int) -> None:
    """A foreign page opens no socket, whatever key and cookie its visitor's browser sends along."""
    key = site.issue_key(Scope.SUBSCRIBE)
    given = {"Origin": origin, "Cookie": f"session={key}", "Authorization": f"Bearer {key}"}
    with RawWebSocket(site.port, given) as client:
        assert client.answer()[0] == status
    polling = f"{site.url}/socket.io/?EIO=4&transport=polling"
    opened = requests.get(polling, headers=given, timeout=10)
    assert opened.status_code == (200 if status == 101 else 400)
    assert ("sid" in opened.text) == (status == 101)


def test_a_cookie_opens_nothing(site: HeraldServer) -> None:
    """Neither a cookie nor a header logs a socket in: only what the page itself says does."""
    key = site.issue_key(Scope.SUBSCRIBE)
    given = {"Cookie": f"token={key}; session={key}", "Authorization": f"Bearer {key}"}
    with RawWebSocket(site.port, given).open() as client:
        answer = client.ask_login(None)
        assert answer.startswith("44")
        assert json.loads(answer[2:])["data"]["error"]["code"] == "unauthorized"


def test_its_own_origin_is_public_url(home: Path) -> None:
    """Where it is said how Herald is reached, no ``Host`` makes another site's page its own."""
    own = "https://herald.example.com"
    with HeraldServer(home, {"PUBLIC_URL": own}) as server:
        for origin, host, status in (
            (own, "herald.internal", 204),
            (own, "herald.example.com", 204),
            ("http://rebound.example.com", "rebound.example.com", 403),
            (server.url, server.url.removeprefix("http://"), 403),
        ):
            headers = {"Origin": origin, "Host": host, "Access-Control-Request-Method": "POST"}
            answer = requests.options(f"{server.url}/events", headers=headers, timeout=10)
            assert answer.status_code == status, (origin, host)
            polling = f"{server.url}/socket.io/?EIO=4&transport=polling"
            opened = requests.get(polling, headers={"Origin": origin, "Host": host}, timeout=10)
            assert opened.status_code == (200 if status == 204 else 400), (origin, host)
