"""A sign-in that is taken back is over: for copies of its cookie, and for its tokens too."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from tests.services.browser import Browser
from tests.services.herald import HeraldServer
from tests.services.issuer import Issuer
from tests.users.test_sessions import SHOP
from tests.users.test_sign_in import bearer
from tests.web.conftest import refusal, refused_fields
from webapp.storage.database import Database
from webapp.users.live_sessions import LIFETIME_SECONDS, MAX_SESSIONS, LiveSessions
from webapp.users.users import Identity, UserDetails, Users


class Copies:
    """What a thief has of one sign-in: its cookie, its user token."""

    def __init__(self, browser: Browser) -> None:
        self._cookies = {name: value for name, value in browser.cookies.items() if value}
        self._token = browser.user_token

    def statuses(self, url: str) -> tuple[int, int]:
        """Return how a call is answered by cookie, and by token."""
        by_cookie = requests.get(f"{url}/auth/apps", cookies=self._cookies, timeout=10)
        by_token = requests.post(
            f"{url}/auth/register", json={}, headers=bearer(self._token), timeout=10
        )
        return by_cookie.status_code, by_token.status_code


GOOD, OVER = (200, 422), (401, 401)


@pytest.fixture
def ada(signing_in: HeraldServer, issuer: Issuer) -> Iterator[tuple[Browser, Browser]]:
    """One person who is signed in with two browsers."""
    subject = f"ada-{time.monotonic_ns()}"
    issuer.know(subject, email=f"{subject}@example.com")
    with Browser(signing_in.url) as laptop, Browser(signing_in.url) as phone:
        for browser in (laptop, phone):
            assert browser.sign_in(subject).status_code == 303
        yield laptop, phone


def test_signing_out_ends_the_copies(ada: tuple[Browser, Browser]) -> None:
    """Whoever has copied cookie or token has nothing after the sign-out; other browsers go on."""
    laptop, phone = ada
    copies, others = Copies(laptop), Copies(phone)
    assert (copies.statuses(laptop.url), others.statuses(phone.url)) == (GOOD, GOOD)
    assert laptop.call("/auth/logout", None, X_CSRF_Token=laptop.csrf_token).status_code == 200
    assert (copies.statuses(laptop.url), others.statuses(phone.url)) == (OVER, GOOD)


def test_signing_out_by_token(ada: tuple[Browser, Browser]) -> None:
    """A program that signs out ends the sign-in that its token is of."""
    laptop, phone = ada
    copies, others = Copies(laptop), Copies(phone)
    url = f"{laptop.url}/auth/logout"
    assert requests.post(url, headers=bearer(laptop.user_token), timeout=10).status_code == 200
    assert (copies.statuses(laptop.url), others.statuses(phone.url)) == (OVER, GOOD)


@pytest.mark.parametrize("how", ["query", "form", "json"])
def test_signing_out_everywhere(ada: tuple[Browser, Browser], how: str) -> None:
    """With ``everywhere`` all sign-ins of the person are over, and nobody else's."""
    laptop, phone = ada
    taken = [Copies(browser) for browser in ada]
    csrf = laptop.csrf_token
    wrong = laptop.call("/auth/logout?everywhere=perhaps", None, X_CSRF_Token=csrf)
    assert refused_fields(wrong).keys() == {"everywhere"}
    if how == "form":
        fields = {"csrf_token": csrf, "everywhere": "true"}
        answer = laptop.submit("/auth/logout", fields)
    elif how == "json":
        answer = laptop.call("/auth/logout", {"everywhere": True}, X_CSRF_Token=csrf)
    else:
        answer = laptop.call("/auth/logout?everywhere=true", None, X_CSRF_Token=csrf)
    assert (answer.status_code, answer.json()) == (200, {"signedOut": True, "sessions": 2})
    assert [copies.statuses(phone.url) for copies in taken] == [OVER, OVER]
    refusal(phone.get("/auth/profile"), 401, "unauthorized")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"everywhere": "true"}', 422),
        ('{"everywhere": 1}', 422),
        ('{"everywhere": null}', 422),
        ('{"evrywhere": true}', 422),
        ("[true]", 422),
        ("{everywhere: true}", 400),
    ],
)
def test_what_a_sign_out_does_not_take(
    ada: tuple[Browser, Browser], body: str, status: int
) -> None:
    """Whoever asks in a way that is not understood is told so, and is signed in as before."""
    laptop, _ = ada
    token, url = laptop.user_token, f"{laptop.url}/auth/logout"
    for kind, answered in (("application/json", status), ("text/plain", 415)):
        headers = bearer(token) | {"Content-Type": kind}
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        assert answer.status_code == answered, answer.text
    assert Copies(laptop).statuses(laptop.url) == GOOD


def test_signing_in_again_ends_the_sign_in_before(signing_in: HeraldServer, issuer: Issuer) -> None:
    """A browser has one session: what it had is over when somebody else signs in with it."""
    for subject in ("before", "after"):
        issuer.know(subject, email=f"{subject}@example.com")
    with Browser(signing_in.url) as browser:
        browser.sign_in("before")
        copies = Copies(browser)
        browser.sign_in("after")
        assert copies.statuses(browser.url) == OVER
        assert Copies(browser).statuses(browser.url) == GOOD


@pytest.mark.parametrize("by", ["id", "email"])
def test_the_command(signing_in: HeraldServer, ada: tuple[Browser, Browser], by: str) -> None:
    """The operator ends the sign-ins of a user, and their links, and it is written down."""
    laptop, _ = ada
    taken = [Copies(browser) for browser in ada]
    user = laptop.profile()["user"]
    assert isinstance(user, dict)
    link = signing_in.command("users", "login-link", "--user", str(user["id"])).strip()
    name = str(user[by])
    done = signing_in.run("users", "sign-out", name.upper() if by == "email" else name)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f"{user['id']} is signed out of 2 sessions.\n")
    assert [copies.statuses(laptop.url) for copies in taken] == [OVER, OVER]
    refusal(laptop.use_link(link), 403, "sign_in_refused")


@pytest.mark.parametrize("name", ["nobody", ""])
def test_the_command_for_nobody(herald: HeraldServer, name: str) -> None:
    """A user whom there is not is an error that says where they are listed."""
    done = herald.run("users", "sign-out", name)
    assert done.returncode == 1
    assert "List the users" in done.stderr


def test_who_is_not_allowed_any_more(home: Path, issuer: Issuer) -> None:
    """Whom SIGN_IN_ALLOWED names no more is signed in no more, by cookie, token and link."""
    names = ("ada", "bob")
    for name in names:
        issuer.know(name, email=f"{name}@example.com", email_verified=True)
    issuer.know("liar", email="bob@example.com", email_verified=False)
    taken: dict[str, Copies] = {}
    ids: dict[str, str] = {}
    with HeraldServer(home, issuer.settings) as server:
        for name in (*names, "liar"):
            with Browser(server.url) as browser:
                browser.sign_in(name)
                taken[name] = Copies(browser)
                assert taken[name].statuses(server.url) == GOOD
                user = browser.profile()["user"]
                assert isinstance(user, dict)
                ids[name] = str(user["id"])
        link = server.command("users", "login-link", "--user", ids["ada"]).strip()
    allowed = issuer.settings | {"SIGN_IN_ALLOWED": "bob@example.com"}
    with HeraldServer(home, allowed) as server, Browser(server.url) as operator:
        statuses = {name: copies.statuses(server.url) for name, copies in taken.items()}
        assert statuses == {"ada": OVER, "bob": GOOD, "liar": OVER}
        assert operator.use_link(server.login_link()).status_code == 303
        for name, why in (("ada", "does not name ada@"), ("liar", "has not verified bob@")):
            done = server.run("users", "login-link", "--user", ids[name])
            assert (done.returncode, done.stdout) == (1, "")
            assert why in done.stderr
        with Browser(server.url) as browser:
            error = refusal(browser.use_link(link), 403, "sign_in_refused")
        assert "SIGN_IN_ALLOWED does not name ada@example.com" in str(error["message"])


def test_a_stolen_session_that_is_over_spends_nothing(home: Path) -> None:
    """What an ended session is used for is not counted for the user that it was of."""
    with HeraldServer(home, {"RATE_LIMIT_AUTH": "6/hour"}) as server:
        token = server.sign_in("ada")
        url = f"{server.url}/auth/logout"
        assert requests.post(url, headers=bearer(token), timeout=10).status_code == 200
        for _ in range(8):
            requests.get(f"{server.url}/auth/apps", headers=bearer(token), timeout=10)
        again = bearer(server.sign_in("ada"))
        answer = requests.post(f"{server.url}/auth/register", json=SHOP, headers=again, timeout=10)
        assert answer.status_code == 201


def somebody(database: Database, name: str) -> UserDetails:
    return Users(database).sign_in(Identity("https://i.example", name))


def test_who_is_meant(any_database: Database) -> None:
    """On each database an address names those who have it, in any case, and nobody like them."""
    users = Users(any_database)

    def made(email: str) -> str:
        return users.sign_in(Identity("https://i.example", f"of {email}", email=email)).id

    first, second, _ = (
        made("Émile@example.com"),
        made("émile@Example.com"),
        made("emile@example.com"),
    )
    for name in ("ÉMILE@EXAMPLE.COM", "émile@example.com"):
        assert [user.id for user in users.named(name)] == sorted([first, second])
    assert [user.id for user in users.named(first)] == [first]
    for nobody in ("", "émile", "é%", "\0", "\udcff", "x" * 1000):
        assert users.named(nobody) == ()
        assert users.find(nobody) is None


def test_sessions_end_by_themselves(any_database: Database) -> None:
    """On each database a session is over after eight hours, and gone with the next sign-in."""
    now = [time.time()]
    live = LiveSessions(any_database, lambda: now[0])
    ada, bob = somebody(any_database, "ada"), somebody(any_database, "bob")
    begun = live.begin(ada)
    found = live.find(begun.id)
    assert found == begun
    now[0] += LIFETIME_SECONDS - 1
    assert live.find(begun.id) == begun
    now[0] += 1
    assert live.find(begun.id) is None
    live.begin(bob)
    now[0] -= timedelta(minutes=1).total_seconds()
    assert live.find(begun.id) is None
    assert live.find("never begun") is None


def test_sessions_are_bounded(any_database: Database) -> None:
    """So many sessions of a user there are and no more: the oldest is over. They end as one."""
    live = LiveSessions(any_database)
    ada, bob = somebody(any_database, "ada"), somebody(any_database, "bob")
    theirs = live.begin(bob)
    begun = [live.begin(ada) for _ in range(MAX_SESSIONS + 1)]
    assert live.find(begun[0].id) is None
    assert live.find(begun[1].id) == begun[1]
    live.end(begun[1].id)
    assert live.find(begun[1].id) is None
    assert live.end_all(ada.id) == MAX_SESSIONS - 1
    assert live.end_all(ada.id) == 0
    assert live.find(begun[-1].id) is None
    assert live.find(theirs.id) == theirs
