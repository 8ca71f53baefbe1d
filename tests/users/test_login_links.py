"""Links that sign in once: without an issuer, and from a shell."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from logger_lib import LogQuery, LogRecord
from tests.services.browser import Browser, form_in
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import install_client
from tests.web.conftest import refusal, stored_log
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
    assert link.startswith(f"http://localhost:{herald.port}/auth/login#")
    assert link.count("\n") == 1
    arrived = browser.use_link(link)
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
    with HeraldServer(home, {"PUBLIC_URL": "http://localhost:8055/"}) as server:
        shown = server.log_text().partition("http://localhost:8055/auth/login")[2]
        with Browser(server.url) as browser:
            assert browser.use_link(f"/auth/login{shown.split()[0]}").status_code == 303


def test_with_an_issuer_no_link_is_printed(signing_in: HeraldServer) -> None:
    """Where people sign in through an issuer, the start leaves no other way in its output."""
    assert "/auth/login#" not in signing_in.log_text()


def test_a_link_works_once(herald: HeraldServer, browser: Browser) -> None:
    """Looking at a link does not use it up, its button does."""
    link = herald.login_link()
    for _ in range(3):
        page = browser.get(link)
        assert page.status_code == 200
        assert "<button" in page.text
        assert page.text.count("<script") == page.text.count('<script src="/') == 2
        assert page.text.count('<script src="/auth/login.js"') == 1
        assert " style=" not in page.text
    assert browser.use_link(link).status_code == 303
    error = refusal(browser.use_link(link), 403, "sign_in_refused")
    assert "users login-link" in str(error["message"])


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "\udcff", "é"])
def test_a_link_that_was_never_made(browser: Browser, token: str) -> None:
    """A token that is none signs nobody in."""
    form = form_in(browser.get("/auth/login").text)
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
            form = form_in(browser.get(link).text) | {"token": link.partition("#")[2]}
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
        token = links.make().partition("#")[2]
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
    tokens = [links.make().partition("#")[2] for _ in range(3)]
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
    assert users.find("nobody") is None
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


def test_who_made_a_link_is_written_down(home: Path) -> None:
    """A sign-in by a link is told from one by an issuer, and the link has a record of its own."""
    with HeraldServer(home) as server, Browser(server.url) as browser:
        server.sign_in("ada")
        (ada,) = [user for user in server.command("users", "list").split() if is_users(user)]
        assert browser.use_link(server.command("users", "login-link", "--user", ada)).ok
        with stored_log({"HERALD_HOME": str(home)}) as log:

            def told() -> dict[str, LogRecord]:
                return {record.event: record for record in log.read(LogQuery(limit=100))}

            wait_until(lambda: "audit.signed_in" in told(), "the sign-in")
            made, used = told()["audit.link_made"], told()["audit.signed_in"]
        assert (made.fields["who"], made.fields["userId"]) == (OPERATOR_ID, ada)
        assert (used.fields["who"], used.fields["by"]) == (ada, "link")


def is_users(word: str) -> bool:
    """Say whether a word of the list is the id of somebody else than the operator."""
    return re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", word) is not None and word != OPERATOR_ID


def test_the_users_are_listed(herald: HeraldServer) -> None:
    """The shell shows everybody who may own something."""
    heading, *rows = herald.command("users", "list").splitlines()
    assert heading.split() == ["ID", "ISSUER", "EMAIL", "NAME", "CREATED", "LAST", "SIGN-IN"]
    # The server is shared: who else is in the list depends on the tests that came before.
    assert OPERATOR_ID in [row.split()[0] for row in rows]


def test_a_link_is_in_no_log(home: Path) -> None:
    """A browser that opens a link sends nothing of its code: the access log has none of it."""
    server = HeraldServer(home)
    try:
        server.start("--access-logfile", "-")
        link = server.command("users", "login-link").strip()
        code = link.partition("#")[2]
        with Browser(server.url) as browser:
            assert browser.use_link(link).status_code == 303
        printed = server.wait_for_log('"POST /auth/login ')
        assert '"GET /auth/login ' in printed
        assert code not in printed
    finally:
        server.stop()


OPENED = """
const field = {}, left = [];
globalThis.document = { querySelector: (name) => (name === "input[name=token]" ? field : null) };
globalThis.location = { pathname: "/auth/login", hash: process.argv[1] };
globalThis.history = { replaceState: (state, title, address) => left.push(address) };
globalThis.addEventListener = () => {};
"""


@pytest.mark.parametrize(
    ("behind", "seen"),
    [("#the-code_1", '{"value":"the-code_1"} ["/auth/login"]'), ("", "{} []"), ("#", "{} []")],
)
def test_the_script_takes_the_code(herald: HeraldServer, behind: str, seen: str) -> None:
    """It puts what is behind the # into the field, and takes it out of the address."""
    script = requests.get(f"{herald.url}/auth/login.js", timeout=10).text
    told = "console.log(JSON.stringify(field), JSON.stringify(left));"
    done = subprocess.run(
        [install_client(), "-e", OPENED + script + told, "--", behind],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (seen, "")
