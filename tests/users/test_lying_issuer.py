"""What an issuer, or whoever stands between, may get wrong: nobody is signed in by it."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from logger_lib import JsonObject
from tests.services.browser import Browser, authorize
from tests.services.herald import HeraldServer, wait_until
from tests.services.issuer import CLIENT, Issuer, Lies, LyingIssuer
from tests.services.migrated import migrated_mariadb, migrated_postgresql
from tests.users.test_sign_in import challenge_of, with_query
from tests.web.conftest import refusal
from webapp.users.oidc import MAX_CONVERSATIONS


@pytest.fixture(scope="module")
def liar(issuer: Issuer) -> Iterator[LyingIssuer]:
    with LyingIssuer(issuer) as running:
        yield running


@pytest.fixture(scope="module")
def believing(
    liar: LyingIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HeraldServer]:
    """A Herald whose issuer is the liar."""
    with HeraldServer(tmp_path_factory.mktemp("believing"), liar.settings) as server:
        yield server


@pytest.fixture
def browser(believing: HeraldServer, liar: LyingIssuer, issuer: Issuer) -> Iterator[Browser]:
    issuer.know("nameless")
    with Browser(believing.url) as made:
        yield made
    liar.lies = Lies()


def test_the_verifier_fits_the_challenge(browser: Browser, liar: LyingIssuer) -> None:
    """What the issuer gets for the code is what the challenge was made of (PKCE)."""
    address = browser.begin()
    assert browser.get(authorize(address, "ada")).status_code == 303
    challenge = parse_qs(urlsplit(address).query)["code_challenge"][0]
    assert challenge_of(liar.token_requests[-1]["code_verifier"]) == challenge


def test_a_token_for_another_client(browser: Browser, liar: LyingIssuer) -> None:
    """A well-signed ID token for another client of the same issuer is refused: its audience."""
    liar.lies.client = "another-client"
    address = with_query(browser.begin(), client_id="another-client")
    answer = browser.get(authorize(address, "mallory"))
    assert "claim" in str(refusal(answer, 403, "sign_in_refused")["message"]).lower()


def test_a_token_of_another_issuer(browser: Browser, liar: LyingIssuer) -> None:
    """A well-signed ID token in another issuer's name is refused."""
    liar.lies.host = "elsewhere.example"
    answer = browser.sign_in("mallory")
    assert "claim" in str(refusal(answer, 403, "sign_in_refused")["message"]).lower()


def _parts(answer: JsonObject) -> list[str]:
    return str(answer["id_token"]).split(".")


def _encoded(part: JsonObject) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> JsonObject:
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(decoded, dict)
    return decoded


def _unsigned(answer: JsonObject) -> JsonObject:
    _, payload, _ = _parts(answer)
    return answer | {"id_token": f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}."}


def _another_subject(answer: JsonObject) -> JsonObject:
    header, payload, signature = _parts(answer)
    claims = _decoded(payload) | {"sub": "ada"}
    return answer | {"id_token": f"{header}.{_encoded(claims)}.{signature}"}


def _without_token(answer: JsonObject) -> JsonObject:
    kept = {name: value for name, value in answer.items() if name != "id_token"}
    return kept | {"userinfo": {"sub": "ada", "email": "ada@example.com"}}


@pytest.mark.parametrize(
    "lie",
    [
        _unsigned,
        _another_subject,
        _without_token,
        lambda answer: answer | {"id_token": "garbage"},
        lambda answer: answer | {"id_token": None},
        lambda answer: answer | {"id_token": 5},
        lambda _answer: {"error": "invalid_grant"},
        lambda _answer: {"error": "<script>"},
        lambda _answer: {"error": 5},
        lambda _answer: {},
    ],
)
def test_a_token_that_is_none(
    browser: Browser, liar: LyingIssuer, lie: Callable[[JsonObject], JsonObject]
) -> None:
    """An ID token that is missing, unsigned or changed signs nobody in, and is no fault of ours."""
    liar.lies.answer = lie
    answer = browser.sign_in("mallory")
    refusal(answer, 403, "sign_in_refused")
    assert "<script>" not in answer.text
    refusal(browser.get("/auth/profile"), 401, "unauthorized")


def test_an_issuer_that_is_another(home: Path, liar: LyingIssuer) -> None:
    """What answers in another issuer's name, or signs as anybody can, is not gone to."""
    another: list[JsonObject] = [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ]
    with HeraldServer(home, liar.settings) as server, Browser(server.url) as browser:
        try:
            for metadata in another:
                liar.lies = Lies(metadata=metadata)
                refusal(browser.get("/auth/google"), 403, "sign_in_refused")
        finally:
            liar.lies = Lies()
        assert browser.sign_in("ada").status_code == 303


def test_an_issuer_that_says_nothing_of_use(home: Path, liar: LyingIssuer) -> None:
    """Where nobody is told where to go, nobody is sent."""
    liar.lies = Lies(metadata={"authorization_endpoint": None})
    try:
        with HeraldServer(home, liar.settings) as server, Browser(server.url) as browser:
            refusal(browser.get("/auth/google"), 403, "sign_in_refused")
    finally:
        liar.lies = Lies()


def test_an_issuer_that_wants_the_secret_in_the_form(home: Path, liar: LyingIssuer) -> None:
    """The secret goes into the form where the issuer takes it nowhere else, else into a header."""
    liar.lies = Lies(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    with HeraldServer(home, liar.settings) as server, Browser(server.url) as browser:
        assert browser.sign_in("ada").status_code == 303
    assert liar.token_requests[-1]["client_secret"] == CLIENT["OIDC_CLIENT_SECRET"]
    liar.lies = Lies()


def test_what_only_the_userinfo_endpoint_tells(browser: Browser, liar: LyingIssuer) -> None:
    """An address that the ID token lacks is asked for, and believed of the same subject alone."""
    for subject, address in (("nameless", "ada@example.com"), ("another", "")):
        liar.lies.userinfo = {"sub": subject, "email": "ada@example.com", "name": "Ada"}
        assert browser.sign_in("nameless").status_code == 303
        user = browser.profile()["user"]
        assert isinstance(user, dict)
        assert user["email"] == address


@pytest.mark.parametrize("made", [migrated_mariadb, migrated_postgresql])
def test_what_no_database_holds(
    home: Path,
    liar: LyingIssuer,
    issuer: Issuer,
    made: Callable[[], AbstractContextManager[str]],
) -> None:
    """A name is shown without what is no text of one line; an address with it is none at all."""
    issuer.know("nameless")
    liar.lies = Lies(userinfo={"sub": "nameless", "email": "a\0@a.example", "name": "A\ud800d\0a"})
    with made() as url:
        at_a_server = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32}
        with HeraldServer(home, liar.settings | at_a_server) as server:
            for _ in range(3):
                with Browser(server.url) as browser:
                    assert browser.sign_in("nameless").status_code == 303
                    user = browser.profile()["user"]
                    assert isinstance(user, dict)
                    assert (user["name"], user["email"]) == ("Ada", "")
            with Browser(server.url) as browser:
                refusal(browser.sign_in("a\0da"), 403, "sign_in_refused")
    liar.lies = Lies()


def test_a_silent_issuer(home: Path, liar: LyingIssuer, browser: Browser) -> None:
    """An issuer that answers nothing is given up after 5 s; few wait for it, and nobody else.

    It says nothing of the code that it gave either.
    """
    answer = authorize(browser.begin(), "ada")
    silence = threading.Event()
    liar.lies = Lies(silent_until=silence)
    asked_before = liar.asked
    answers: list[int] = []

    def begin(server: HeraldServer) -> None:
        with Browser(server.url) as other:
            answers.append(other.get("/auth/google").status_code)

    with HeraldServer(home, liar.settings) as server, ExitStack() as at_the_end:
        at_the_end.callback(silence.set)
        begun = time.monotonic()
        waiting = [threading.Thread(target=begin, args=(server,)) for _ in range(MAX_CONVERSATIONS)]
        for each in waiting:
            each.start()
        wait_until(lambda: liar.asked == asked_before + MAX_CONVERSATIONS, "all of them", 4)
        with Browser(server.url) as one_more:
            error = refusal(one_more.get("/auth/google"), 503, "unavailable")
        assert "Many people" in str(error["message"])
        assert server.post("/events", {"event": "a", "data": {}}).status_code == 202
        assert answers == []
        with_code = time.monotonic()
        refusal(browser.get(answer), 503, "unavailable")
        assert time.monotonic() - with_code < 8
        for each in waiting:
            each.join(20)
        assert answers == [503] * MAX_CONVERSATIONS
        assert time.monotonic() - begun < 12
