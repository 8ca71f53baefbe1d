"""What hits fall into, on each kind of database: values, shares, and how much was looked at."""

import orjson
import pytest

from logger_lib import JsonObject, JsonValue
from tests.analytics.conftest import BOT, Collected, Collecting
from webapp.analytics.analyst import Analyst
from webapp.analytics.asked_apps import Asker
from webapp.analytics.breakdown import Breakdown, By
from webapp.analytics.cache import AnswerCache
from webapp.analytics.days import Days

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36"
)


@pytest.fixture
def visited(app: Collected) -> Collected:
    """An app with a week of hits, one of a bot among them."""
    shop, search = "https://shop.example/", "https://search.example/?q=shoes"
    app.write(
        app.hit("2026-05-01T10:00", "view", "ada", url=f"{shop}shoes?size=42", referrer=search),
        app.hit("2026-05-02T10:00", "view", "ada", url=f"{shop}shoes#top", user_agent=CHROME),
        app.hit("2026-05-02T11:00", "click", "bob", url=shop, device="mobile"),
        app.hit("2026-05-03T10:00", "view", "bob", url=f"{shop}shoes", referrer="android-app://x"),
        app.hit("2026-05-03T10:00", "view", None, url=None),
        app.hit("2026-05-03T10:00", "view", None, url=f"{shop}bot", user_agent=BOT),
    )
    return app


@pytest.mark.parametrize(
    ("by", "values"),
    [
        ("page", {"shop.example/shoes": 3, "shop.example/": 1, None: 1}),
        ("referrer", {"search.example": 1, "x": 1, None: 3}),
        ("browser", {"Firefox": 4, "Chrome": 1}),
        ("os", {"Linux": 4, "Windows": 1}),
        ("device", {"desktop": 4, "mobile": 1}),
    ],
)
def test_what_hits_fall_into(visited: Collected, by: str, values: dict[str | None, int]) -> None:
    """Each value with its hits, the most frequent first; bots are not among them."""
    told = visited.ask("breakdown", by=by)
    assert _values(told) == values
    assert list(_values(told).values()) == sorted(values.values(), reverse=True)
    assert (told["counted"], told["isComplete"]) == (5, True)


def test_a_range_and_an_event(visited: Collected) -> None:
    """Days and an event narrow it, bots can be counted, and few values be asked for."""
    days = {"startDate": "2026-05-02", "endDate": "2026-05-02"}
    assert _values(visited.ask("breakdown", by="page", **days)) == {
        "shop.example/": 1,
        "shop.example/shoes": 1,
    }
    assert _values(visited.ask("breakdown", by="device", event="click")) == {"mobile": 1}
    assert _values(visited.ask("breakdown", by="page", event="click")) == {"shop.example/": 1}
    with_bots = visited.ask("breakdown", by="page", includeBots="true")
    assert _values(with_bots)["shop.example/bot"] == 1
    few = visited.ask("breakdown", by="page", limit="1")
    assert (_values(few), few["counted"]) == ({"shop.example/shoes": 3}, 5)


def test_an_overview(visited: Collected) -> None:
    """Hits and users of all events together, or of one; bots are left out and told."""
    assert visited.ask("overview") == {
        "event": None,
        "count": 5,
        "uniqueUsers": 2,
        "excludedBots": 1,
        "startDate": None,
        "endDate": None,
    }
    click = visited.ask("overview", event="click", startDate="2026-05-02")
    assert (click["count"], click["uniqueUsers"]) == (1, 1)
    bots = visited.ask("overview", includeBots="true")
    assert (bots["count"], bots["uniqueUsers"], bots["excludedBots"]) == (6, None, 0)


def test_days_are_those_of_the_app(collecting: Collecting) -> None:
    """A day begins and ends at midnight of the app's zone, for the hits that are looked at too."""
    app = collecting.app("Asia/Kolkata")
    for at, url in (
        ("2026-05-01T18:29:59.999Z", "before"),
        ("2026-05-01T18:30Z", "first"),
        ("2026-05-02T18:29:59.999Z", "last"),
        ("2026-05-02T18:30Z", "after"),
    ):
        app.write(app.hit(at, url=f"https://a.example/{url}"))
    told = app.ask("breakdown", by="page", startDate="2026-05-02", endDate="2026-05-02")
    assert set(_values(told)) == {"a.example/first", "a.example/last"}


def test_nothing_to_break_down(app: Collected) -> None:
    """Where nothing came there is no value, and nothing was left out."""
    for by in ("page", "device"):
        told = app.ask("breakdown", by=by)
        assert (told["values"], told["counted"], told["isComplete"]) == ([], 0, True)
    assert app.ask("overview")["count"] == 0


def test_the_newest_are_looked_at(visited: Collected) -> None:
    """Of more hits than are looked at the newest count, and the answer says that it is so."""
    analyst = Analyst(visited.collecting.database, AnswerCache(None))
    for most, counted, is_complete in ((3, 2, False), (6, 5, True)):
        question = Breakdown(By.PAGE, 10, None, Days(), with_bots=False, most_hits=most)
        told = orjson.loads(analyst.answer(Asker(visited.id, None), question))
        assert (told["counted"], told["isComplete"]) == (counted, is_complete)


def _values(told: JsonObject) -> dict[JsonValue, JsonValue]:
    values = told["values"]
    assert isinstance(values, list)
    return {part["value"]: part["count"] for part in values if isinstance(part, dict)}
