"""Summaries: what is counted, over which days, for whom it is hidden, on each kind of database."""

from dataclasses import replace

import pytest

from logger_lib import JsonObject, JsonValue
from tests.analytics.conftest import BOT, Collected, Collecting
from webapp.analytics.timeseries import MAX_NAMED
from webapp.collect.hit import Hit


def test_an_event_is_summed_up(app: Collected) -> None:
    """Hits, users and kinds of device of one event; the others are not in it."""
    app.write(
        app.hit("2026-05-01T10:00", "click", "ada", device="mobile"),
        app.hit("2026-05-01T11:00", "click", "ada", device="desktop"),
        app.hit("2026-05-02T10:00", "click", "bob", device="mobile"),
        app.hit("2026-05-02T10:00", "click", None, device="tablet"),
        app.hit("2026-05-01T10:00", "Click", "eve"),
    )
    assert app.ask("event-summary", event="click") == {
        "event": "click",
        "count": 4,
        "uniqueUsers": 2,
        "deviceData": {"mobile": 2, "desktop": 1, "tablet": 1, "other": 0},
        "excludedBots": 0,
        "startDate": None,
        "endDate": None,
    }
    never = app.ask("event-summary", event="never")
    assert (never["count"], never["uniqueUsers"]) == (0, 0)


@pytest.mark.parametrize(
    ("query", "count", "users"),
    [
        ({"startDate": "2026-05-01", "endDate": "2026-05-03"}, 5, 3),
        ({"startDate": "2026-05-02", "endDate": "2026-05-03"}, 3, 2),
        ({"startDate": "2026-05-02"}, 4, 3),
        ({"endDate": "2026-05-02"}, 3, 2),
        ({"startDate": "2026-05-04", "endDate": "2026-05-04"}, 0, 0),
        ({"startDate": "1960-01-01", "endDate": "9999-12-31"}, 6, 4),
    ],
)
def test_users_are_counted_over_the_range(
    app: Collected, query: dict[str, str], count: int, users: int
) -> None:
    """Who came on each of three days is one user of the three, and both ends are in the range."""
    app.write(
        *(app.hit(f"2026-05-0{day}T12:00", "view", "ada") for day in (1, 2, 3)),
        app.hit("2026-05-01T00:00", "view", "bob"),
        app.hit("2026-05-03T23:59:59.999", "view", "cyd"),
        app.hit("2026-05-05T00:00", "view", "dan"),
    )
    summary = app.ask("event-summary", event="view", **query)
    assert (summary["count"], summary["uniqueUsers"]) == (count, users)


def test_bots_are_left_out_and_told(app: Collected) -> None:
    """Hits of bots are in no count unless they are asked for, and how many they are is said.

    Users of other hits than are counted are not told beside them.
    """
    app.write(
        app.hit("2026-05-01T10:00", "view", "ada"),
        app.hit("2026-05-01T10:00", "view", "robot", user_agent=BOT),
        app.hit("2026-05-01T10:00", "crawl", "robot", user_agent=BOT),
    )
    plain, counted = (
        app.ask("event-summary", event="view", includeBots=bots) for bots in ("false", "true")
    )
    assert (plain["count"], plain["excludedBots"], plain["uniqueUsers"]) == (1, 1, 1)
    assert (counted["count"], counted["excludedBots"], counted["uniqueUsers"]) == (2, 0, None)
    top = app.ask("top-events")
    assert (top["events"], top["excludedBots"]) == ([_top("view", 1, 1)], 2)
    assert app.ask("top-events", includeBots="true")["events"] == [
        _top("view", 2, None),
        _top("crawl", 1, None),
    ]
    series = app.ask("timeseries", interval="day")
    assert (_counts(series), series["excludedBots"]) == ([[1]], 2)
    (whole,) = _series(app.ask("timeseries", interval="day", includeBots="true"))
    assert whole["points"] == [_point("2026-05-01", 3, None)]


def test_the_top_comes_first(app: Collected) -> None:
    """The most frequent events of the range, as many as are asked for, each with its users."""
    for number, event in enumerate(["c", "a", "b"], 1):
        app.write(*(app.hit("2026-05-02T10:00", event, f"u{each}") for each in range(number)))
    app.write(*(app.hit("2026-05-01T10:00", "c", "u0") for _ in range(9)))
    days = {"startDate": "2026-05-02", "endDate": "2026-05-02"}
    assert app.ask("top-events", **days, limit="2")["events"] == [_top("b", 3, 3), _top("a", 2, 2)]
    assert app.ask("top-events")["events"] == [_top("c", 10, 1), _top("b", 3, 3), _top("a", 2, 2)]


def test_a_series_has_every_day(app: Collected) -> None:
    """Days without a hit are zeros; several events are several series, none named is all."""
    app.write(
        app.hit("2026-05-01T10:00", "a", "ada"),
        app.hit("2026-05-01T11:00", "a", "ada"),
        app.hit("2026-05-03T10:00", "a", "ada"),
        app.hit("2026-05-03T10:00", "b", "bob"),
    )
    assert app.ask("timeseries", interval="day", event=["a", "none"], endDate="2026-05-02") == {
        "interval": "day",
        "timeZone": "UTC",
        "series": [
            {"event": "a", "points": [_point("2026-05-01", 2, 1), _point("2026-05-02", 0, 0)]},
            {"event": "none", "points": [_point("2026-05-01", 0, 0), _point("2026-05-02", 0, 0)]},
        ],
        "excludedBots": 0,
        "startDate": None,
        "endDate": "2026-05-02",
    }
    (whole,) = _series(app.ask("timeseries", interval="day"))
    assert whole == {
        "event": None,
        "points": [
            _point("2026-05-01", 2, 1),
            _point("2026-05-02", 0, 0),
            _point("2026-05-03", 2, 2),
        ],
    }
    (hours,) = _series(app.ask("timeseries", interval="hour", startDate="2026-05-01"))
    points = hours["points"]
    assert isinstance(points, list)
    assert len(points) == 72
    assert points[10:12] == [
        {"at": "2026-05-01T10:00", "count": 1},
        {"at": "2026-05-01T11:00", "count": 1},
    ]
    assert points[58] == {"at": "2026-05-03T10:00", "count": 2}


def test_more_events_than_a_query_names(app: Collected) -> None:
    """By hour all events together are counted, however many names they have."""
    app.write(*(app.hit("2026-05-01T10:00", f"e{number}") for number in range(MAX_NAMED + 1)))
    (hours,) = _series(app.ask("timeseries", interval="hour"))
    points = hours["points"]
    assert isinstance(points, list)
    assert points[10] == {"at": "2026-05-01T10:00", "count": MAX_NAMED + 1}


def test_nothing_collected(app: Collected) -> None:
    """An app without a hit has answers that say so."""
    assert app.ask("top-events")["events"] == []
    assert _series(app.ask("timeseries", interval="day")) == [{"event": None, "points": []}]
    some = app.ask("timeseries", interval="day", startDate="2026-05-01", endDate="2026-05-02")
    assert _counts(some) == [[0, 0]]
    assert app.get("export").text.count("\n") == 1


@pytest.mark.parametrize(
    ("time_zone", "day", "first", "last"),
    [
        ("Asia/Kolkata", "2026-05-02", "2026-05-01T18:30Z", "2026-05-02T18:29:59.999Z"),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00Z", "2026-03-09T03:59:59.999Z"),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00Z", "2026-11-02T04:59:59.999Z"),
        ("Pacific/Kiritimati", "2026-05-02", "2026-05-01T10:00Z", "2026-05-02T09:59:59.999Z"),
    ],
)
def test_a_day_is_that_of_the_app(
    collecting: Collecting, time_zone: str, day: str, first: str, last: str
) -> None:
    """A day begins and ends at midnight of the app's zone, also where clocks are changed on it."""
    app = collecting.app(time_zone)
    inside = [app.hit(first, "view", "ada"), app.hit(last, "view", "bob")]
    before, after = app.hit(first, "view", "eve"), app.hit(last, "view", "eve")
    app.write(*inside, _moved(before, -1), _moved(after, 1))
    days = {"startDate": day, "endDate": day}
    summary = app.ask("event-summary", event="view", **days)
    assert (summary["count"], summary["uniqueUsers"]) == (2, 2)
    assert _series(app.ask("timeseries", interval="day", **days)) == [
        {"event": None, "points": [_point(day, 2, 2)]}
    ]
    assert app.ask("event-summary", event="view")["uniqueUsers"] == 3
    exported = app.get("export", format="jsonl", **days).text
    assert sorted(hit.message_id for hit in inside) == sorted(
        line.split('"messageId": "')[1][:36] for line in exported.splitlines()
    )


@pytest.mark.parametrize(
    ("day", "hours", "repeated"), [("2026-03-08", 23, 0), ("2026-11-01", 24, 2)]
)
def test_hours_are_those_that_clocks_show(
    collecting: Collecting, day: str, hours: int, repeated: int
) -> None:
    """The hour that clocks leave out in spring has no point; that which comes twice has both."""
    app = collecting.app("America/New_York")
    app.write(*(_moved(app.hit(f"{day}T00:00"), half * 1_800_000) for half in range(12)))
    (series,) = _series(app.ask("timeseries", interval="hour", startDate=day, endDate=day))
    points = series["points"]
    assert isinstance(points, list)
    assert len(points) == hours
    counts = {str(point["at"])[-5:]: point["count"] for point in points if isinstance(point, dict)}
    assert ("02:00" in counts) is bool(repeated)
    assert counts["01:00"] == 2 + repeated
    assert sum(count for count in counts.values() if isinstance(count, int)) == 12


def test_a_user_is_described(app: Collected) -> None:
    """All hits of a user are counted, the ten newest shown; others' and bots' are not."""
    app.write(
        *(
            app.hit(
                f"2026-05-{day:02}T10:00:00.{day:03}", "view", "ada", url=f"https://a.example/{day}"
            )
            for day in range(1, 13)
        ),
        app.hit("2026-05-30T10:00", "view", "ada", user_agent=BOT),
        app.hit("2026-05-30T10:00", "view", "Ada"),
        app.hit("2026-05-13T10:00", "buy", "ada", ip_address="192.0.2.0"),
    )
    stats = app.ask("user-stats", userId="ada")
    recent = stats.pop("recentEvents")
    assert stats == {
        "userId": "ada",
        "totalEvents": 13,
        "deviceDetails": {"browser": "Firefox", "os": "Linux"},
        "ipAddress": "192.0.2.0",
        "firstEvent": "2026-05-01T10:00:00.001Z",
        "lastEvent": "2026-05-13T10:00:00.000Z",
        "excludedBots": 1,
    }
    assert isinstance(recent, list)
    shown = [each for each in recent if isinstance(each, dict)]
    assert [each["event"] for each in shown] == ["buy", *["view"] * 9]
    assert shown[1]["url"] == "https://a.example/12"
    assert shown[1]["timestamp"] == "2026-05-12T10:00:00.012Z"
    assert app.ask("user-stats", userId="ada", includeBots="true")["totalEvents"] == 14
    assert app.get("user-stats", userId="nobody").status_code == 404


def _moved(hit: Hit, ms: int) -> Hit:
    return replace(hit, at=hit.at + ms)


def _top(event: str, count: int, users: int | None) -> JsonObject:
    return {"event": event, "count": count, "uniqueUsers": users}


def _point(at: str, count: int, users: int | None) -> JsonObject:
    return {"at": at, "count": count, "uniqueUsers": users}


def _series(answer: JsonObject) -> list[JsonObject]:
    series = answer["series"]
    assert isinstance(series, list)
    return [each for each in series if isinstance(each, dict)]


def _counts(answer: JsonObject) -> list[list[JsonValue]]:
    counts: list[list[JsonValue]] = []
    for series in _series(answer):
        points = series["points"]
        assert isinstance(points, list)
        counts.append([point["count"] for point in points if isinstance(point, dict)])
    return counts
