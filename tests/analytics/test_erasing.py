"""A user's data, deleted on request: what is gone, what stays, who may."""

from collections.abc import Iterator

import pytest
import requests

from logger_lib import uuid7
from tests.analytics.conftest import Collected, Collecting, ask
from tests.analytics.test_asking import register
from tests.services.browser import SECONDS, Browser
from tests.web.conftest import object_in, refusal, refused_fields
from webapp.access.apps import Apps
from webapp.access.scopes import Scope
from webapp.storage.tables import OPERATOR_ID


@pytest.fixture
def ada(collecting: Collecting) -> str:
    """The token of an owner."""
    return collecting.server.sign_in(f"owner-{uuid7()}")


def erase(collecting: Collecting, token: str | None, **query: str) -> requests.Response:
    return requests.delete(
        f"{collecting.server.url}/analytics/users",
        params=query,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=SECONDS,
    )


def test_nothing_is_left_of_a_user(collecting: Collecting, ada: str) -> None:
    """Their hits are in no answer any more, in none of the owner's apps; all others' stay."""
    first, second = (register(collecting, ada) for _ in range(2))
    for app in (first, second):
        app.write(
            *(app.hit(f"2026-05-0{day}T10:00", "view", "a/da?") for day in (1, 2)),
            app.hit("2026-05-01T10:00", "view", "bob"),
        )
    assert first.ask("event-summary", event="view")["count"] == 6
    answer = erase(collecting, ada, userId="a/da?")
    assert answer.status_code == 200
    assert object_in(answer) == {"deletedHits": 4, "isComplete": True}
    summary = first.ask("event-summary", event="view")
    assert (summary["count"], summary["uniqueUsers"]) == (2, 2)
    refusal(first.get("user-stats", userId="a/da?"), 404, "not_found")
    assert "a/da?" not in first.get("export", format="jsonl").text
    assert first.ask("user-stats", userId="bob")["totalEvents"] == 2
    assert object_in(erase(collecting, ada, userId="a/da?"))["deletedHits"] == 0
    log = collecting.server.wait_for_log("audit.user_erased")
    assert first.id in log
    assert "a/da?" not in log


def test_one_app_may_be_named(collecting: Collecting, ada: str) -> None:
    """Of several apps' one is spared the others' erasure."""
    first, second = (register(collecting, ada) for _ in range(2))
    for app in (first, second):
        app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    assert object_in(erase(collecting, ada, userId="ada", app_id=first.id))["deletedHits"] == 1
    assert second.ask("user-stats", userId="ada")["totalEvents"] == 1


def test_who_may_erase(app: Collected, ada: str) -> None:
    """The owner alone: no key, whatever it may do, nobody else, not for another's app."""
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    collecting = app.collecting
    key = collecting.server.issue_key(*Scope, app="may do everything")
    for token in (None, key, app.token):
        refusal(erase(collecting, token, userId="ada"), 401, "unauthorized")
    refusal(erase(collecting, ada, userId="ada", app_id=app.id), 404, "not_found")
    assert object_in(erase(collecting, ada, userId="ada"))["deletedHits"] == 0
    assert list(refused_fields(erase(collecting, ada))) == ["userId"]
    assert app.ask("user-stats", userId="ada")["totalEvents"] == 1


@pytest.fixture
def operator(collecting: Collecting) -> Iterator[Browser]:
    """The operator, signed in with a browser."""
    with Browser(collecting.server.url) as browser:
        browser.use_link(collecting.server.login_link())
        yield browser


def test_a_cookie_alone_erases_nothing(app: Collected, operator: Browser) -> None:
    """A call by cookie brings the session's CSRF token along."""
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    url = f"{operator.url}/analytics/users?userId=ada&app_id={app.id}"
    cookies = operator.cookies
    refusal(requests.delete(url, cookies=cookies, timeout=SECONDS), 403, "forbidden")
    headers = {"X-CSRF-Token": operator.csrf_token}
    answer = requests.delete(url, cookies=cookies, headers=headers, timeout=SECONDS)
    assert object_in(answer)["deletedHits"] == 1


def test_from_a_shell(app: Collected) -> None:
    """The operator erases from a shell, where it says how many hits there were."""
    app.write(*(app.hit("2026-05-01T10:00", "view", "ada") for _ in range(3)))
    apps = Apps(app.collecting.database).list_of(OPERATOR_ID)
    name = next(each.name for each in apps if each.id == app.id)
    command = ("analytics", "erase-user", "ada", "--app-name")
    done = app.collecting.server.run(*command, name)
    assert done.returncode == 0, done.stderr
    assert "3 hits deleted." in done.stderr.splitlines()
    assert app.get("user-stats", userId="ada").status_code == 404
    missing = app.collecting.server.run(*command, "no such app")
    assert missing.returncode == 1
    assert "no such app" in missing.stderr


def test_blanks_at_the_end_of_what_is_asked_for(app: Collected) -> None:
    """No stored name has them, and no two databases compare them alike: they are ignored."""
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    assert app.ask("user-stats", userId="ada")["totalEvents"] == 1
    assert app.ask("user-stats", userId="ada  ")["totalEvents"] == 1
    assert app.ask("event-summary", event="view ")["count"] == 1
    assert ask(app.collecting.server, app.token, "user-stats", userId="  ").status_code == 422
