"""Who may ask which question, and what is no question."""

from collections.abc import Iterator

import pytest
import requests

from logger_lib import JsonObject, JsonValue, uuid7
from tests.analytics.conftest import Collected, Collecting, ask
from tests.services.browser import Browser
from tests.services.herald import HeraldServer
from tests.web.conftest import object_in, refusal, refused_fields
from webapp.access.scopes import Scope

QUESTIONS: dict[str, dict[str, str]] = {
    "event-summary": {"event": "view"},
    "user-stats": {"userId": "ada"},
    "timeseries": {"interval": "day"},
    "top-events": {},
    "overview": {},
    "breakdown": {"by": "page"},
    "export": {},
}


@pytest.fixture
def owner(collecting: Collecting) -> str:
    """The token of somebody who has signed in."""
    return collecting.server.sign_in(f"owner-{uuid7()}")


def register(collecting: Collecting, owner: str, time_zone: str = "UTC") -> Collected:
    """Return a new app of the owner's."""
    answer = requests.post(
        f"{collecting.server.url}/auth/register",
        json={"appName": f"app-{uuid7()}", "appUrl": "https://a.example"},
        headers={"Authorization": f"Bearer {owner}"},
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    return collecting.collected(answer.json()["app"]["id"], owner, time_zone)


@pytest.mark.parametrize("path", QUESTIONS)
def test_who_may_ask(app: Collected, owner: str, path: str) -> None:
    """A key of scope read, or who is signed in; nobody else, whatever they ask."""
    server, query = app.collecting.server, QUESTIONS[path]
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    assert app.get(path, **query).status_code == 200
    no_read = server.issue_key(*set(Scope) - {Scope.READ}, app="writes")
    refusal(ask(server, no_read, path, **query), 403, "forbidden")
    for token in (None, "herald_not.a.key", owner + "x"):
        refusal(ask(server, token, path, nonsense="1"), 401, "unauthorized")


@pytest.mark.parametrize("path", QUESTIONS)
def test_another_s_app_is_not_there(app: Collected, owner: str, path: str) -> None:
    """The app of another key, or of another owner, is 404 as one that does not exist."""
    other, query = app.collecting.app(), QUESTIONS[path]
    other.write(other.hit("2026-05-01T10:00", "view", "ada"))
    mine = register(app.collecting, owner)
    for asker in (app, mine):
        for app_id in (other.id, uuid7()):
            error = refusal(asker.get(path, app_id=app_id, **query), 404, "not_found")
            assert app_id in str(error["message"])
    for asker in (app, mine):
        found = asker.get(path, **query)
        assert found.status_code == (404 if path == "user-stats" else 200)
        assert other.id not in found.text
        assert '"count":1' not in found.text


def test_what_one_app_collects_another_does_not_have(app: Collected, owner: str) -> None:
    """The same event and user in several apps: each answer counts those of its own."""
    collecting = app.collecting
    first, second = (register(collecting, owner) for _ in range(2))
    stranger = register(collecting, collecting.server.sign_in(f"owner-{uuid7()}"))
    for number, each in enumerate((app, first, second, stranger), 1):
        each.write(
            *(each.hit("2026-05-01T10:00", "view", user) for user in ("ada", "bob")[:number])
        )
    assert _summary(app) == (1, 1)
    assert _summary(first, app_id=first.id) == (2, 2)
    assert _summary(first) == (4, 4)
    assert first.ask("user-stats", userId="ada")["totalEvents"] == 2
    assert first.ask("user-stats", userId="ada", app_id=second.id)["totalEvents"] == 1
    top = first.ask("top-events")["events"]
    assert top == [{"event": "view", "count": 4, "uniqueUsers": 4}]
    (series,) = _list(first.ask("timeseries", interval="day")["series"])
    assert series["points"] == [{"at": "2026-05-01", "count": 4, "uniqueUsers": 4}]
    lines = first.get("export", format="jsonl").text.splitlines()
    assert sorted(first.id in line for line in lines) == [False, False, True, True]


def test_apps_of_several_zones(collecting: Collecting, owner: str) -> None:
    """A day asked of all apps is in each one that of its own zone."""
    east = register(collecting, owner, "Asia/Kolkata")
    west = register(collecting, owner, "America/New_York")
    for each in (east, west):
        each.write(each.hit("2026-05-01T00:30", "view"), each.hit("2026-05-01T23:30", "view"))
    series = east.ask("timeseries", interval="hour", startDate="2026-05-01", endDate="2026-05-01")
    assert series["timeZone"] is None
    (whole,) = _list(series["series"])
    assert [point["count"] for point in _list(whole["points"])] == [2, *[0] * 22, 2]
    assert east.ask("timeseries", interval="day", app_id=east.id)["timeZone"] == "Asia/Kolkata"


def test_an_owner_without_apps(collecting: Collecting, owner: str) -> None:
    """Who has no app gets answers with nothing in them, and no one's hits."""
    found = ask(collecting.server, owner, "event-summary", event="view")
    assert found.status_code == 200
    assert object_in(found)["count"] == 0
    assert ask(collecting.server, owner, "export").text.count("\n") == 1
    assert ask(collecting.server, owner, "timeseries", interval="day").status_code == 200


@pytest.fixture
def operator(collecting: Collecting) -> Iterator[Browser]:
    """The operator, signed in with a browser."""
    with Browser(collecting.server.url) as browser:
        browser.use_link(collecting.server.login_link())
        yield browser


def test_a_browser_asks_by_its_cookie(app: Collected, operator: Browser) -> None:
    """Who is signed in needs no token; a key that comes along is not passed over for the cookie."""
    app.write(app.hit("2026-05-01T10:00", "view", "ada"))
    path = f"/analytics/event-summary?event=view&app_id={app.id}"
    assert object_in(operator.get(path))["count"] == 1
    for key in ("herald_not.a.key", "nonsense"):
        refusal(operator.get(path, X_API_Key=key), 401, "unauthorized")
        refusal(operator.get(path, Authorization=f"Bearer {key}"), 401, "unauthorized")


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        ("event-summary", {}, ["event"]),
        ("event-summary", {"event": ""}, ["event"]),
        ("event-summary", {"event": "x" * 201}, ["event"]),
        ("event-summary", {"event": ["a", "b"]}, ["event"]),
        ("event-summary", {"event": "a", "startdate": "2026-05-01"}, ["startdate"]),
        ("event-summary", {"event": "a", "startDate": "2026-02-30"}, ["startDate"]),
        ("event-summary", {"event": "a", "startDate": "20260501"}, ["startDate"]),
        ("event-summary", {"event": "a", "startDate": "2026-05-01T00:00Z"}, ["startDate"]),
        ("event-summary", {"event": "a", "endDate": "yesterday"}, ["endDate"]),
        ("event-summary", {"event": "a", "includeBots": "perhaps"}, ["includeBots"]),
        (
            "event-summary",
            {"event": "a", "startDate": "2026-05-02", "endDate": "2026-05-01"},
            ["endDate"],
        ),
        ("user-stats", {}, ["userId"]),
        ("user-stats", {"userId": "x" * 201}, ["userId"]),
        ("top-events", {"limit": "0"}, ["limit"]),
        ("top-events", {"limit": "101"}, ["limit"]),
        ("top-events", {"app_id": ""}, ["app_id"]),
        ("overview", {"event": ""}, ["event"]),
        ("breakdown", {}, ["by"]),
        ("breakdown", {"by": "country"}, ["by"]),
        ("breakdown", {"by": "os", "limit": "101"}, ["limit"]),
        ("timeseries", {}, ["interval"]),
        ("timeseries", {"interval": "week"}, ["interval"]),
        ("timeseries", {"interval": "day", "event": [str(n) for n in range(21)]}, ["event"]),
        (
            "timeseries",
            {"interval": "hour", "startDate": "2026-05-01", "endDate": "2026-05-15"},
            ["startDate"],
        ),
        (
            "timeseries",
            {"interval": "day", "startDate": "1970-01-01", "endDate": "2026-06-01"},
            ["startDate"],
        ),
        ("export", {"format": "xls"}, ["format"]),
    ],
)
def test_what_is_no_question(
    app: Collected, path: str, query: dict[str, str | list[str]], wrong: list[str]
) -> None:
    """A parameter that is missing, twice there, unknown or wrong is named."""
    assert sorted(refused_fields(app.get(path, **query))) == wrong


def test_questions_are_limited(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Questions count for RATE_LIMIT_READ: by key, and by session for who is signed in."""
    limited = {"RATE_LIMIT_READ": "3/minute", "EVENT_LOGGERS": "logging"}
    with HeraldServer(tmp_path_factory.mktemp("limited"), limited) as server:
        ada, eve = server.sign_in("ada"), server.sign_in("eve")
        key = server.issue_key(Scope.READ)
        for token in (ada, eve, key):
            statuses = [ask(server, token, "top-events").status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
        assert int(ask(server, ada, "top-events").headers["Retry-After"]) > 0


def _summary(app: Collected, **query: str) -> tuple[int, int]:
    summary = app.ask("event-summary", event="view", **query)
    count, users = summary["count"], summary["uniqueUsers"]
    assert isinstance(count, int)
    assert isinstance(users, int)
    return count, users


def _list(value: JsonValue) -> list[JsonObject]:
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]
