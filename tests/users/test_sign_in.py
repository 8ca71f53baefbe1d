"""Sign-in through a real issuer: the whole way, and every part of it tampered with."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import requests

from logger_lib import JsonObject, LogQuery
from tests.services.browser import Browser, authorize
from tests.services.herald import HeraldServer, free_port, wait_until
from tests.services.issuer import CLIENT, Issuer
from tests.web.conftest import refusal, stored_log

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def with_query(address: str, **changed: str) -> str:
    """Return ``address`` with parts of its query string changed."""
    parts = urlsplit(address)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changed)).geturl()


def test_the_whole_way(signing_in: HeraldServer, issuer: Issuer) -> None:
    """Sign in, register, issue, use, revoke, refused: as the seed has it, within 2 s."""
    url = signing_in.url
    issuer.know("ada", email="ada@example.com", name="Ada")
    with Browser(url) as browser:
        arrived = browser.sign_in("ada")
        assert (arrived.status_code, arrived.headers["Location"]) == (303, "/auth/profile")
        profile = browser.profile()
    user = profile["user"]
    assert isinstance(user, dict)
    assert (user["email"], user["name"], user["issuer"]) == ("ada@example.com", "Ada", issuer.url)
    as_ada = bearer(str(profile["token"]))
    shop = {"appName": "shop", "appUrl": "https://shop.example.com"}
    registered = requests.post(f"{url}/auth/register", json=shop, headers=as_ada, timeout=10)
    assert registered.status_code == 201, registered.text
    issued = requests.post(
        f"{url}/auth/api-key", json={"appName": "shop"}, headers=as_ada, timeout=10
    )
    assert issued.status_code == 201, issued.text
    key = issued.json()["apiKey"]
    event: JsonObject = {"event": "order.created", "data": {"orderId": "1"}}
    assert signing_in.post("/events", event, key).status_code == 202
    revoked = requests.post(f"{url}/auth/revoke", json={"apiKey": key}, headers=as_ada, timeout=10)
    assert revoked.status_code == 200, revoked.text
    revoked_at = time.monotonic()
    wait_until(lambda: signing_in.post("/events", event, key).status_code == 401, "the refusal", 5)
    seconds = time.monotonic() - revoked_at
    print(f"a revoked key was refused after {seconds:.2f} s")
    assert seconds < 2


def test_who_did_what_is_written_down(
    signing_in: HeraldServer, somebody: Callable[[], Browser]
) -> None:
    """Each step is in the log, with who and from where, and without any token."""
    browser = somebody()
    user = browser.profile()["user"]
    assert isinstance(user, dict)
    csrf = browser.csrf_token
    browser.call(
        "/auth/register", {"appName": "a", "appUrl": "https://a.example"}, X_CSRF_Token=csrf
    )
    issued = browser.call("/auth/api-key", {"appName": "a"}, X_CSRF_Token=csrf).json()
    browser.call("/auth/revoke", {"id": issued["key"]["id"]}, X_CSRF_Token=csrf)
    browser.call("/auth/logout", None, X_CSRF_Token=csrf)
    by = f"by {user['id']} from 127.0.0.1"
    wanted = ["signed_in", "app_registered", "key_issued", "key_revoked", "signed_out"]
    for action in wanted:
        signing_in.wait_for_log(f"[audit.{action}] {by}")
    printed = signing_in.log_text()
    assert issued["apiKey"] not in printed
    for action in ("key_issued", "key_revoked"):
        (line,) = [line for line in printed.splitlines() if f"[audit.{action}] {by}" in line]
        assert f'"keyId": "{issued["key"]["id"]}"' in line
        assert '"appName": "a"' in line
    with stored_log({"HERALD_HOME": str(signing_in.home)}) as log:
        written = [
            record
            for record in log.read(LogQuery(limit=1000))
            if record.fields.get("who") == user["id"]
        ]
    assert [record.event for record in reversed(written)] == [f"audit.{each}" for each in wanted]
    key_issued = written[2].fields
    assert (key_issued["keyId"], key_issued["address"]) == (issued["key"]["id"], "127.0.0.1")
    assert issued["apiKey"] not in str(written)


def test_no_app_reads_the_trail(signing_in: HeraldServer) -> None:
    """What the audit has written is no event of any app."""
    key = {"X-API-Key": signing_in.first_key}
    found = requests.get(f"{signing_in.url}/events?limit=1000", headers=key, timeout=10).json()
    assert not [event for event in found["events"] if event["event"].startswith("audit.")]


def test_the_same_person_is_the_same_user(signing_in: HeraldServer, issuer: Issuer) -> None:
    """Who signs in again is known by the subject, whatever their address is by now."""
    ids, addresses = set(), []
    for address in ("old@example.com", "new@example.com"):
        issuer.know("grace", email=address)
        with Browser(signing_in.url) as browser:
            browser.sign_in("grace")
            user = browser.profile()["user"]
            assert isinstance(user, dict)
            ids.add(user["id"])
            addresses.append(user["email"])
    assert len(ids) == 1
    assert addresses == ["old@example.com", "new@example.com"]


def test_what_is_asked_of_the_issuer(signing_in: HeraldServer) -> None:
    """The issuer gets state, nonce and an S256 challenge, new ones each time."""
    with Browser(signing_in.url) as browser:
        asked = [parse_qs(urlsplit(browser.begin()).query) for _ in range(2)]
    for query in asked:
        assert query["redirect_uri"] == [f"{signing_in.url}/auth/google/callback"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["scope"] == ["openid email profile"]
        assert query["client_id"] == [CLIENT["OIDC_CLIENT_ID"]]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[0][name][0]) >= 20
        assert asked[0][name] != asked[1][name]


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: with_query(answer, state="another"),
        lambda answer: with_query(answer, state=""),
        lambda answer: with_query(answer, code="another"),
        lambda answer: with_query(answer, iss="https://elsewhere.example"),
        lambda answer: answer.partition("?")[0],
        lambda answer: answer.partition("?")[0] + "?error=access_denied&state=x",
        lambda answer: answer.partition("?")[0] + "?error=%3Cscript%3E&error_description=%22",
    ],
)
def test_a_tampered_answer(signing_in: HeraldServer, change: Callable[[str], str]) -> None:
    """An answer of which anything was changed signs nobody in, and says why."""
    with Browser(signing_in.url) as browser:
        answer = browser.get(change(authorize(browser.begin(), "mallory")))
        error = refusal(answer, 403, "sign_in_refused")
        assert "/auth/google" in str(error["message"])
        assert "<script>" not in answer.text
        refusal(browser.get("/auth/profile"), 401, "unauthorized")


def test_refused_sign_ins_are_written_once(chosen: HeraldServer) -> None:
    """Each is one record, like every refusal, and of an address ten a minute: no flood of them."""
    with Browser(chosen.url) as browser:
        for _ in range(15):
            refusal(browser.get("/auth/google/callback?state=x"), 403, "sign_in_refused")
    chosen.wait_for_log("WARNING [audit.sign_in_refused] by nobody known from 127.0.0.1: {")
    # The publish is written behind all of them.
    assert chosen.post("/events", {"event": "a", "data": {}}).status_code == 202
    with stored_log({"HERALD_HOME": str(chosen.home)}) as log:
        written = log.read(LogQuery(limit=100))
    assert [record.event for record in written].count("audit.sign_in_refused") == 10
    assert "audit.call_refused" not in [record.event for record in written]
    assert all("begun in this browser" in str(r.fields["why"]) for r in written if r.app is None)


def test_an_answer_that_somebody_else_asked_for(signing_in: HeraldServer) -> None:
    """An answer begun in another browser signs nobody in: no victim ends up in my account."""
    with Browser(signing_in.url) as mine, Browser(signing_in.url) as theirs:
        answer = authorize(mine.begin(), "mallory")
        theirs.begin()
        refusal(theirs.get(answer), 403, "sign_in_refused")
        assert mine.get(answer).status_code == 303
        refusal(mine.get(answer), 403, "sign_in_refused")


def test_a_nonce_of_another_sign_in(signing_in: HeraldServer) -> None:
    """An ID token made for another sign-in is refused by its nonce."""
    with Browser(signing_in.url) as browser:
        address = with_query(browser.begin(), nonce="of-another-sign-in")
        refusal(browser.get(authorize(address, "mallory")), 403, "sign_in_refused")


def test_saying_no_at_the_issuer(signing_in: HeraldServer) -> None:
    """Who does not let Herald know who they are is told so, in a browser on a page."""
    with Browser(signing_in.url) as browser:
        answer = browser.get(authorize(browser.begin(), "ada", action="deny"), Accept=HTML)
        assert answer.status_code == 403
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "access_denied" in answer.text
        assert 'href="/auth/google"' in answer.text


def test_many_sign_ins_begun(signing_in: HeraldServer) -> None:
    """Sign-ins that are begun and not ended do not fill the cookie; the newest four go on."""
    with Browser(signing_in.url) as browser:
        begun = [browser.begin() for _ in range(12)]
        assert max(len(value or "") for value in browser.cookies.values()) < 3000
        refusal(browser.get(authorize(begun[0], "ada")), 403, "sign_in_refused")
        assert browser.get(authorize(begun[-4], "ada")).status_code == 303


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
def chosen(issuer: Issuer, home: Path) -> Iterator[HeraldServer]:
    """A Herald that lets only some sign in."""
    environ = issuer.settings | {"SIGN_IN_ALLOWED": "ada@example.com,@example.org"}
    with HeraldServer(home, environ) as server:
        yield server


def test_who_may_sign_in(chosen: HeraldServer, issuer: Issuer) -> None:
    """SIGN_IN_ALLOWED lets in addresses and domains that the issuer has verified, and no others."""
    people: list[tuple[str, bool | str, int]] = [
        ("Ada@example.com", True, 303),
        ("anybody@example.org", True, 303),
        ("ada@example.com", False, 403),
        ("ada@example.com", "true", 403),
        ("ada@example.com.evil.example", True, 403),
        ("anybody@sub.example.org", True, 403),
        ("@example.org@evil.example", True, 403),
        ("", True, 403),
    ]
    for number, (address, verified, status) in enumerate(people):
        issuer.know(f"person-{number}", email=address, email_verified=verified)
        with Browser(chosen.url) as browser:
            answer = browser.sign_in(f"person-{number}")
            assert answer.status_code == status, (address, verified, answer.text)
    assert "SIGN_IN_ALLOWED" in str(refusal(answer, 403, "sign_in_refused")["message"])


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({"PUBLIC_URL": "https://herald.example.com/"}, "https://herald.example.com"),
        ({"TRUSTED_PROXIES": "127.0.0.1"}, "https://localhost:8443"),
        ({}, "http://localhost:8443"),
    ],
    ids=["PUBLIC_URL", "TRUSTED_PROXIES", "neither"],
)
def test_where_the_issuer_sends_people_back_to(
    issuer: Issuer, home: Path, environ: dict[str, str], base: str
) -> None:
    """It is PUBLIC_URL, else what was asked for, by HTTPS where a trusted proxy says so."""
    with HeraldServer(home, issuer.settings | environ) as server, Browser(server.url) as browser:
        sent = browser.get("/auth/google", Host="localhost:8443", X_Forwarded_Proto="https")
        query = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert query["redirect_uri"] == [f"{base}/auth/google/callback"]


def test_no_issuer(herald: HeraldServer) -> None:
    """Without an issuer the answer says how to set one, and how to sign in without."""
    with Browser(herald.url) as browser:
        for path in ("/auth/google", "/auth/google/callback"):
            message = str(refusal(browser.get(path), 501, "no_issuer")["message"])
            assert "GOOGLE_CLIENT_ID" in message
            assert "users login-link" in message


def test_an_issuer_that_is_not_there(home: Path) -> None:
    """An issuer that is down is a 503 at once, and Herald runs on."""
    with HeraldServer(home, {"OIDC_ISSUER": f"http://127.0.0.1:{free_port()}", **CLIENT}) as server:
        with Browser(server.url) as browser:
            answer = browser.get("/auth/google")
            refusal(answer, 503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            page = browser.get("/auth/google", Accept=HTML)
            assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
            assert page.headers["Content-Type"].startswith("text/html")
        assert "sign in" not in server.log_text().lower()
        assert server.post("/events", {"event": "a", "data": {}}).status_code == 202
