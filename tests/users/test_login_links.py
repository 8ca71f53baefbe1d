"""Links that sign in once: without an issuer, and from a shell."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.services.browser import Browser, form_in
from tests.services.herald import HeraldServer
from tests.web.conftest import refusal
from webapp.storage.database import Database
from webapp.storage.tables import OPERATOR_ID
from webapp.users.login_links import LIFETIME_SECONDS, LoginLinks
from webapp.users.users import Identity, Users


@pytest.fixture
def browser(herald: HeraldServer) -> Iterator[Browser]:
    with Browser(herald.url) as made:
        yield made


def test_the_command_prints_a_link_alone(herald: HeraldServer, browser: Browser) -> None:
    """What the shell prints signs the operator in, who owns what the shell makes."""
    link = herald.command("users", "login-link")
    assert link.startswith(f"http://localhost:{herald.port}/auth/login?token=")
    assert link.count("\n") == 1
    path = link.strip().removeprefix(f"http://localhost:{herald.port}")
    arrived = browser.use_link(path)
    assert (arrived.status_code, arrived.headers["Location"]) == (303, "/auth/profile")
    user = browser.profile()["user"]
    assert user == {"id": OPERATOR_ID, "email": "", "name": "operator", "issuer": "herald"}
    names = {app["appName"] for app in browser.get("/auth/apps").json()["apps"]}
    assert "default" in names
    herald.wait_for_log(f"[audit.signed_in] by {OPERATOR_ID}")


def test_the_command_for_somebody_else(herald: HeraldServer) -> None:
    """A link for a user whom there is not is refused, and says where the ids are."""
    done = herald.run("users", "login-link", "--user", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "List the users" in done.stderr


def test_the_start_prints_a_link(home: Path) -> None:
    """Without an issuer each start with the embedded database shows a link that works."""
    with HeraldServer(home, {"PUBLIC_URL": "https://herald.example.com/"}) as server:
        shown = server.log_text().partition("https://herald.example.com/auth/login?token=")[2]
        with Browser(server.url) as browser:
            assert browser.use_link(f"/auth/login?token={shown.split()[0]}").status_code == 303


def test_with_an_issuer_no_link_is_printed(signing_in: HeraldServer) -> None:
    """Where people sign in through an issuer, the start leaves no other way in its output."""
    assert "/auth/login?token=" not in signing_in.log_text()


def test_a_link_works_once(herald: HeraldServer, browser: Browser) -> None:
    """Looking at a link does not use it up, its button does."""
    link = herald.login_link()
    for _ in range(3):
        page = browser.get(link)
        assert page.status_code == 200
        assert "<button" in page.text
        assert "<script" not in page.text
        assert " style=" not in page.text
    assert browser.use_link(link).status_code == 303
    error = refusal(browser.use_link(link), 403, "sign_in_refused")
    assert "users login-link" in str(error["message"])


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "\udcff", "é"])
def test_a_link_that_was_never_made(browser: Browser, token: str) -> None:
    """A token that is none signs nobody in."""
    form = form_in(browser.get("/auth/login?token=x").text)
    sent = token.encode("utf-8", "surrogateescape").decode("latin-1")
    refusal(browser.submit("/auth/login", form | {"token": sent}), 403, "sign_in_refused")
    refusal(browser.get("/auth/profile"), 401, "unauthorized")


def test_a_link_ends(herald: HeraldServer, browser: Browser) -> None:
    """A quarter of an hour later a link is worth nothing."""
    late = herald.login_link(age=LIFETIME_SECONDS + 1)
    refusal(browser.use_link(late), 403, "sign_in_refused")
    assert browser.use_link(herald.login_link(age=LIFETIME_SECONDS - 60)).status_code == 303


def test_of_two_at_once_one_is_signed_in(herald: HeraldServer) -> None:
    """Two people who press the button of one link at the same moment are not both let in."""
    link, seen = herald.login_link(), []
    barrier = threading.Barrier(2)

    def press() -> None:
        with Browser(herald.url) as browser:
            form = form_in(browser.get(link).text)
            barrier.wait(10)
            seen.append(browser.submit("/auth/login", form).status_code)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(seen) == [303, 403]


def test_of_many_uses_one_wins(any_database: Database) -> None:
    """On each database one of several uses at once gets the user, and the others nobody."""
    links = LoginLinks(any_database, "http://localhost")
    for _ in range(5):
        token = links.make().partition("token=")[2]
        barrier, won = threading.Barrier(4), []

        def use(token: str = token, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            won.append(links.use(token))  # noqa: B023  joined below

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, won)) == [OPERATOR_ID, "None", "None", "None"]


def test_links_that_nobody_uses_do_not_pile_up(any_database: Database) -> None:
    """What is over is deleted when the next link is made."""
    now = [time.time()]
    links = LoginLinks(any_database, "http://localhost", lambda: now[0])
    tokens = [links.make().partition("token=")[2] for _ in range(3)]
    now[0] += LIFETIME_SECONDS
    links.make()
    now[0] -= LIFETIME_SECONDS
    assert [links.use(token) for token in tokens] == [None, None, None]


def test_users_are_told_apart(any_database: Database) -> None:
    """On each database, subjects that differ in the case of a letter are different people."""
    users = Users(any_database)
    ids = [
        users.sign_in(Identity("https://i.example", subject, name="x" * 300, email="e" * 300)).id
        for subject in ("00uAbC", "00uabc", "00uAbC")
    ]
    assert len(set(ids)) == 2
    assert ids[0] == ids[2]
    found = users.find(ids[0])
    assert found is not None
    assert (len(found.name), found.email) == (200, "")
    assert found.last_sign_in_at is not None
    assert abs((datetime.now(UTC) - found.last_sign_in_at).total_seconds()) < 60
    assert users.note_sign_in("nobody") is None
    assert len(users.list_all()) == 3


def test_the_first_sign_in_twice_at_once(any_database: Database) -> None:
    """Who signs in twice at once for the first time becomes one user."""
    users, barrier, ids = Users(any_database), threading.Barrier(4), []

    def sign_in() -> None:
        barrier.wait(10)
        ids.append(users.sign_in(Identity("https://i.example", "ada")).id)

    threads = [threading.Thread(target=sign_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_the_users_are_listed(herald: HeraldServer) -> None:
    """The shell shows everybody who may own something."""
    heading, *rows = herald.command("users", "list").splitlines()
    assert heading.split() == ["ID", "ISSUER", "EMAIL", "NAME", "CREATED", "LAST", "SIGN-IN"]
    assert [row.split()[0] for row in rows] == [OPERATOR_ID]
