"""``navigator.sendBeacon``: a text without headers, from any page, with the key in the address."""

import json
from collections.abc import Iterator

import pytest
import requests

from logger_lib import uuid7
from tests.services.herald import HeraldServer, wait_until
from tests.services.hits import SAMPLE, stored_hits
from tests.services.raw_http import RawHttp
from tests.services.sentry_receiver import SentryReceiver
from tests.web.conftest import refusal
from webapp.access.scopes import Scope
from webapp.collect.calls import PATHS

BEACON = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"}
"""What a browser sends with a text."""
LISTED = "https://app.example.com"


@pytest.fixture(scope="module")
def sentry() -> Iterator[SentryReceiver]:
    """What takes what is really sent."""
    with SentryReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(
    sentry: SentryReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HeraldServer]:
    """A server that prints its access log, reports to ``sentry``, and knows one site."""
    home = tmp_path_factory.mktemp("beacon")
    environ = {"CORS_ORIGINS": LISTED, "SENTRY_DSN": sentry.dsn}
    server = HeraldServer(home, environ)
    try:
        server.start("--access-logfile", "-", "--access-logformat", "%(r)s %(q)s %(f)s %(s)s")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def key(server: HeraldServer) -> str:
    """A key that may do nothing but collect."""
    return server.issue_key(Scope.COLLECT)


def beacon(
    server: HeraldServer, query: str, event: str, path: str = "/collect"
) -> requests.Response:
    return requests.post(
        f"{server.url}{path}?{query}",
        data=json.dumps({**SAMPLE, "event": event}),
        headers=BEACON,
        timeout=10,
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["key={key}", "t=1&key={key}&u=2"])
def test_a_beacon(server: HeraldServer, key: str, path: str, query: str) -> None:
    """It is taken and stored, by Flask and around it, from a site that nobody has named."""
    event = f"beacon.{uuid7()}"
    for _ in range(2):
        assert beacon(server, query.format(key=key), event, path).status_code == 202
    assert len(stored_hits(server.home, event, 2)) == 2


def test_the_key_is_in_no_log(server: HeraldServer, sentry: SentryReceiver) -> None:
    """Good, bad, refused or at another path: what was in the address is written nowhere."""
    key = server.issue_key(Scope.COLLECT)
    wide = server.issue_key(Scope.COLLECT, Scope.READ)
    spelled = "%68" + key[1:]
    event = f"beacon.{uuid7()}"
    before = server.log_text().count("POST /collect")
    answers = [
        beacon(server, f"key={key}", event),
        beacon(server, f"key={key}", ""),
        beacon(server, f"key={wide}", event),
        beacon(server, f"key={key}x", event),
        requests.get(f"{server.url}/collect?key={key}", timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [202, 422, 403, 401, 405]
    # Past requests, which would send it as it is usually spelled.
    body = f'{{"event":"{event}"}}'
    with RawHttp(
        server.port,
        f"POST /collect?a=b&key={spelled} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
        f"GET /health/live?key={spelled} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    ) as raw:
        assert [raw.answer().status for _ in range(2)] == [202, 200]
    wait_until(lambda: "GET /health/live?key=" in server.log_text(), "the last line of the log")
    assert server.log_text().count("POST /collect") >= before + 5
    assert len(stored_hits(server.home, event, 2)) == 2
    written = server.log_text().replace(server.first_key, "")
    told = "".join(answer.text + str(answer.headers) for answer in answers) + str(sentry.events)
    for secret in (key, spelled, wide):
        for part in secret.split("."):
            assert part[10:] not in written
            assert part[10:] not in told


def test_a_key_that_may_do_more(server: HeraldServer) -> None:
    """Such a one is no key for a page: in the address it is refused, in a header it is taken."""
    wide = server.issue_key(Scope.COLLECT, Scope.PUBLISH)
    event = f"beacon.{uuid7()}"
    for _ in range(2):
        error = refusal(beacon(server, f"key={wide}", event), 403, "forbidden")
        assert "may do nothing but collect" in str(error["message"])
    assert server.post("/collect", {"event": event}, wide).status_code == 202
    assert len(stored_hits(server.home, event, 1)) == 1


def test_a_header_counts_first(server: HeraldServer, key: str) -> None:
    """Beside a key in a header the one in the address is not looked at."""
    event = f"beacon.{uuid7()}"
    answers = [
        requests.post(
            f"{server.url}/collect?key={query}",
            json={"event": event},
            headers={"X-API-Key": header},
            timeout=10,
        ).status_code
        for header, query in [(key, "nonsense"), ("nonsense", key)]
    ]
    assert answers == [202, 401]


@pytest.mark.parametrize("path", ["/events", "/events/batch", "/tokens", "/auth/apps"])
def test_nowhere_else(server: HeraldServer, path: str) -> None:
    """No other path takes a key from the address, nor a text."""
    key = server.issue_key(*Scope)
    refusal(
        requests.post(f"{server.url}{path}?key={key}", json={}, timeout=10),
        *((405, "method_not_allowed") if path == "/auth/apps" else (401, "unauthorized")),
    )
    if path == "/events":
        refusal(
            server.post(path, {"event": "a", "data": {}}, Content_Type="text/plain"),
            415,
            "unsupported_media_type",
        )


def test_any_page_reads_what_a_key_in_the_address_gets(server: HeraldServer, key: str) -> None:
    """A page of any site hears what became of its hits, and when to come again if not."""
    for query, status in ((f"key={key}", 202), ("key=nonsense", 401)):
        answer = beacon(server, query, "open")
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    listed = requests.post(
        f"{server.url}/collect?key={key}",
        data=json.dumps(SAMPLE),
        headers={**BEACON, "Origin": LISTED},
        timeout=10,
    )
    assert listed.headers["Access-Control-Allow-Origin"] == LISTED


def test_pages_that_may_read_the_answer(server: HeraldServer, key: str) -> None:
    """A page of a listed site may send with headers, and read the answer; no other may."""
    for origin, allowed in ((LISTED, True), ("https://evil.example.com", False)):
        preflight = requests.options(
            f"{server.url}/analytics/collect",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-api-key",
            },
            timeout=10,
        )
        assert preflight.status_code == (204 if allowed else 403)
        answer = server.post("/collect", {"event": "cors"}, key, Origin=origin)
        assert answer.status_code == 202
        for told in (preflight, answer):
            origin_told = told.headers.get("Access-Control-Allow-Origin")
            assert origin_told == (origin if allowed else None)
        if allowed:
            named = preflight.headers["Access-Control-Allow-Headers"].lower()
            assert {"authorization", "content-type", "x-api-key"} <= set(named.split(", "))
