"""``GET /events`` and ``GET /events/{id}`` on a real server."""

import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import ascii_letters, digits

import pytest
import requests

from logger_lib import JsonObject, JsonValue, LogRecord, delivery_record, event_record
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import uuid7_at
from tests.services import hasty_logger
from tests.services.herald import HeraldServer, free_port, wait_until
from tests.web.conftest import App, new_app, object_in, refusal, refused_fields
from webapp.access.scopes import Scope

OLD = datetime(2026, 5, 25, 12, tzinfo=UTC)


def get(app: App, path: str = "/events", key: str | None = None, **query: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {key or app.key}"}
    return requests.get(app.server.url + path, query, headers=headers, timeout=10)


def found(app: App, **query: str) -> list[JsonObject]:
    """Return the events of one page, which must be there."""
    answer = get(app, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return objects(object_in(answer)["events"])


def objects(value: JsonValue) -> list[JsonObject]:
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


def numbers(events: list[JsonObject]) -> list[JsonValue]:
    return [data["number"] for each in events if isinstance(data := each["data"], dict)]


@pytest.fixture(scope="module")
def shop(herald: HeraldServer) -> App:
    """An app that has published ten numbered events, which are in the log."""
    app = new_app(herald)
    for number in range(10):
        app.publish(
            "order.paid" if number % 2 else "order.created",
            {"number": number, "orderId": f"order-{number}", "note": "to Jane, Zürich"},
            rooms=["all", f"room{number % 3}"],
        )
    wait_until(lambda: len(found(app)) == 10, "ten events in the log")
    return app


def test_newest_first(shop: App) -> None:
    """Events come as they were published, the newest first, and nothing else does."""
    events = found(shop)
    assert numbers(events) == list(range(9, -1, -1))
    last = events[0]
    assert last.keys() == {"id", "event", "rooms", "data", "at"}
    assert (last["event"], last["rooms"]) == ("order.paid", ["all", "room0"])
    assert last["data"] == {"number": 9, "orderId": "order-9", "note": "to Jane, Zürich"}
    at = datetime.fromisoformat(str(last["at"]))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"event": "order.created"}, [8, 6, 4, 2, 0]),
        ({"room": "room1"}, [7, 4, 1]),
        ({"event": "order.paid", "room": "room1"}, [7, 1]),
        ({"q": "ORDER-3"}, [3]),
        ({"q": "zürich jane", "room": "room2"}, [8, 5, 2]),
        ({"q": "paid", "limit": "2"}, [9, 7]),
        ({"q": "paid jane order zürich to", "room": "room1"}, [7, 1]),
        ({"room": "nobody"}, []),
        ({"q": "jane berlin"}, []),
    ],
)
def test_filters(shop: App, query: dict[str, str], expected: list[int]) -> None:
    """Each filter narrows the search, alone and together."""
    assert numbers(found(shop, **query)) == expected


def test_times(shop: App) -> None:
    """``since`` is included and ``until`` is not, in either way of writing a time."""
    events = found(shop)
    at = datetime.fromisoformat(str(events[4]["at"]))
    there = at.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo).isoformat()
    assert numbers(found(shop, since=str(events[4]["at"]))) == [9, 8, 7, 6, 5]
    assert numbers(found(shop, since=there)) == [9, 8, 7, 6, 5]
    assert numbers(found(shop, until=str(events[4]["at"]))) == [4, 3, 2, 1, 0]
    assert numbers(found(shop, since=f"{at.timestamp() - 3600:.0f}")) == list(range(9, -1, -1))
    assert found(shop, until=f"{at.timestamp() - 3600:.3f}") == []
    # As curl sends it, with the + not escaped.
    url = f"{shop.server.url}/events?since={there}"
    answer = requests.get(url, headers={"X-API-Key": shop.key}, timeout=10)
    assert numbers(objects(object_in(answer)["events"])) == [9, 8, 7, 6, 5]


def test_pages(herald: HeraldServer) -> None:
    """The cursor leads through all that was there, each once, while new events arrive."""
    app = new_app(herald)
    for number in range(5):
        app.publish("a", {"number": number})
    wait_until(lambda: len(found(app)) == 5, "five events in the log")
    seen: list[JsonValue] = []
    cursor: dict[str, str] = {}
    for arriving in range(3):
        page = object_in(get(app, limit="2", event="a", **cursor))
        seen += numbers(objects(page["events"]))
        cursor = {"cursor": str(page["next"])}
        app.publish("a", {"number": 100 + arriving})
    assert seen == [4, 3, 2, 1, 0]
    assert page["next"] is None


def test_a_cursor_is_good_for_its_search_alone(shop: App) -> None:
    """With other filters, in another app or made up it is refused; the limit may change."""
    cursor = str(object_in(get(shop, limit="2", q="jane"))["next"])
    assert numbers(found(shop, limit="5", q="JANE", cursor=cursor)) == [7, 6, 5, 4, 3]
    for other in ({}, {"q": "jane to"}, {"q": "jane", "room": "all"}, {"q": "jane", "since": "1"}):
        assert refused_fields(get(shop, cursor=cursor, **other)).keys() == {"cursor"}
    stranger = new_app(shop.server)
    assert refused_fields(get(stranger, q="jane", cursor=cursor)).keys() == {"cursor"}
    # The last character has four bits that decode to nothing.
    changed = [cursor[:-1] + last for last in ascii_letters + digits + "-_" if last != cursor[-1]]
    longer = [cursor + more for more in ("=", "==", "A", "\n", " ")]
    for wrong in (*changed, *longer, cursor[:20], "x", "é", "=", "\x00", "A" * 200, "-_" * 20):
        assert refused_fields(get(shop, q="jane", cursor=wrong)).keys() == {"cursor"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"event": ""}, "event"),
        ({"room": "r" * 201}, "room"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-05-25T12:00:00"}, "since"),
        ({"until": "2026-05-25"}, "until"),
        ({"until": "-1"}, "until"),
        ({"until": "1764000000000"}, "until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"q": ""}, "q"),
        ({"q": " -- ! "}, "q"),
        ({"q": "one two three four five six"}, "q"),
        ({"q": "x" * 65}, "q"),
        ({"cursor": ""}, "cursor"),
        ({"rooms": "a"}, "rooms"),
    ],
)
def test_what_is_refused_is_named(shop: App, query: dict[str, str], field: str) -> None:
    """A parameter that is wrong or unknown is refused by its name."""
    assert refused_fields(get(shop, **query)).keys() == {field}


def test_a_parameter_is_given_once(shop: App) -> None:
    """Of two values one would be ignored: the call is refused instead."""
    url = f"{shop.server.url}/events?room=a&room=b"
    answer = requests.get(url, headers={"X-API-Key": shop.key}, timeout=10)
    assert refused_fields(answer) == {"room": ["Give it once."]}


def test_odd_values_find_nothing(shop: App) -> None:
    """What no event can have is searched for like anything else."""
    for odd in ("\x00", "a\x00b", "%", "' OR 1=1 --", "\u202e", "😀"):
        assert found(shop, room=odd) == []
        assert found(shop, event=odd) == []
    assert found(shop, q="\x00a") == []


def test_one_event(herald: HeraldServer) -> None:
    """It comes with the sids of those who got it; another app's is not there."""
    app = new_app(herald)
    with app.connect("orders") as one, app.connect("orders") as other:
        sent = app.publish("order.paid", {"orderId": "1"}, room="orders")
        sids = {one.sid, other.sid}
    path = f"/events/{sent['id']}"
    wait_until(lambda: get(app, path).status_code == 200, "the event in the log")
    event = object_in(get(app, path))
    assert event.keys() == {"id", "event", "rooms", "data", "at", "recipients", "deliveries"}
    assert (event["id"], event["data"], event["recipients"]) == (sent["id"], {"orderId": "1"}, 2)
    assert {each["sid"] for each in objects(event["deliveries"])} == sids
    refusal(get(new_app(herald), path), 404, "not_found")
    refusal(get(app, f"/events/{uuid.uuid4()}"), 404, "not_found")
    refusal(get(app, "/events/nothing"), 404, "not_found")


def test_deliveries_of_several_hosts(herald: HeraldServer) -> None:
    """What each host has delivered is joined; the records of deliveries are no events."""
    app = new_app(herald)
    app.publish("a", {})
    app_id = stored_app_id(herald, app)
    event_id = uuid7_at(OLD)
    event_data: JsonObject = {"number": 1}
    hosts = [("s1", "s2"), ("s3", "s1")]
    store(
        herald.home,
        event_record("a", event_data, event_id=event_id, time=OLD, app=app_id),
        *(delivery_record("a", sids, event_id=event_id, time=OLD, app=app_id) for sids in hosts),
    )
    event = object_in(get(app, f"/events/{event_id}"))
    assert [each["sid"] for each in objects(event["deliveries"])] == ["s1", "s2", "s3"]
    assert (event["recipients"], event["at"]) == (3, "2026-05-25T12:00:00.000000Z")
    assert numbers(found(app, until="2026-06-01T00:00:00Z")) == [1]


def test_who_may_read(shop: App) -> None:
    """A key with the scope read, and no other."""
    url = f"{shop.server.url}/events"
    refusal(requests.get(url, timeout=10), 401, "unauthorized")
    key = shop.server.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, Scope.COLLECT)
    refusal(get(shop, key=key), 403, "forbidden")
    refusal(get(shop, f"/events/{uuid.uuid4()}", key=key), 403, "forbidden")
    assert get(shop, key=shop.server.issue_key(Scope.READ)).status_code == 200


def test_a_page_is_bounded_in_bytes(herald: HeraldServer) -> None:
    """Large events make a page shorter than its limit; the cursor leads to the rest."""
    app = new_app(herald)
    for number in range(12):
        app.publish("large", {"number": number, "text": "x" * 1_000_000})
    wait_until(lambda: found(app, limit="1", event="large") != [], "an event in the log")
    seen: list[JsonValue] = []
    cursor: dict[str, str] = {}
    while True:
        answer = get(app, **cursor)
        assert len(answer.content) < 10 * 1_048_576
        page = object_in(answer)
        seen += numbers(objects(page["events"]))
        if page["next"] is None:
            break
        cursor = {"cursor": str(page["next"])}
    assert seen == list(range(11, -1, -1))


def test_a_search_that_takes_too_long_goes_on(tmp_path: Path) -> None:
    """What was found in time is a page, and its cursor leads on; 422 only where nothing was."""
    with HeraldServer(tmp_path / "home", hasty_logger.install(tmp_path / "hasty")) as server:
        app = new_app(server)
        for number in range(5):
            app.publish("a", {"number": number})
        wait_until(lambda: numbers(found(app)) == [4, 3], "the events in the log")
        pages: list[list[JsonValue]] = []
        cursor: dict[str, str] = {}
        while cursor.get("cursor") != "None":
            page = object_in(get(app, event="a", **cursor))
            pages.append(numbers(objects(page["events"])))
            cursor = {"cursor": str(page["next"])}
        assert pages == [[4, 3], [2, 1], [0]]
        refusal(get(app, event=hasty_logger.RARE), 422, "search_too_long")


def test_no_logger_can_be_read(tmp_path: Path) -> None:
    """It is said, with those that can."""
    with HeraldServer(tmp_path / "home", {"EVENT_LOGGERS": "logging,console"}) as server:
        app = new_app(server)
        error = refusal(get(app), 501, "log_not_readable")
        assert "sql or mongodb" in str(error["message"])
        refusal(get(app, f"/events/{uuid.uuid4()}"), 501, "log_not_readable")


def test_the_first_that_can_be_read_is(tmp_path: Path) -> None:
    """Of several loggers the first one that can be read answers."""
    with HeraldServer(tmp_path / "home", {"EVENT_LOGGERS": "console,memory,sql"}) as server:
        app = new_app(server)
        sent = app.publish("a", {"orderId": "x1"})
        store(server.home, event_record("a", {}, event_id=uuid7_at(OLD), time=OLD, app="b"))
        assert [each["id"] for each in found(app, q="x1")] == [sent["id"]]
        assert object_in(get(app, f"/events/{sent['id']}"))["deliveries"] == []


def test_the_log_is_out_of_reach(tmp_path: Path) -> None:
    """Reading is refused for a moment; publishing goes on."""
    uri = f"mongodb://127.0.0.1:{free_port()}/herald"
    with HeraldServer(tmp_path / "home", {"MONGO_URI": uri}) as server:
        app = new_app(server)
        answer = get(app)
        refusal(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        app.publish("a", {})


def test_reading_does_not_stop_the_loop(herald: HeraldServer, shop: App) -> None:
    """While somebody has the SQLite file locked for good, reading goes on all the same."""
    with closing(sqlite3.connect(herald.home / "herald.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert len(found(shop)) == 10
        database.execute("ROLLBACK")


def test_old_events_are_deleted(tmp_path: Path) -> None:
    """With ``EVENT_RETENTION_DAYS`` what is older goes, soon after the start; the rest stays."""
    home = tmp_path / "home"
    with HeraldServer(home) as server:
        app = new_app(server)
        app.publish("a", {"number": 1})
        app_id = stored_app_id(server, app)
        ages = {number: datetime.now(UTC) - timedelta(days=7, hours=number) for number in (-1, 1)}
        for number, at in ages.items():
            event_id = uuid7_at(at)
            data: JsonObject = {"number": number}
            store(home, event_record("a", data, event_id=event_id, time=at, app=app_id))
        assert numbers(found(app)) == [1, -1, 1]
    with HeraldServer(home, {"EVENT_RETENTION_DAYS": "7"}) as server:
        app = App(server, app.key)
        wait_until(lambda: len(found(app)) == 2, "the end of the old event")
        assert numbers(found(app)) == [1, -1]


@pytest.mark.parametrize(
    "odd",
    [{"x": 2**64, "nan": float("nan")}, {"x": "\ud800"}, {"x": nested(300)}, {"x": nested(2)}],
    ids=["65 bits", "half a character", "300 levels", "a level of its own"],
)
def test_what_no_event_may_have_is_read(herald: HeraldServer, odd: JsonObject) -> None:
    """What another program has logged into the same log is on its page, and the others are."""
    app = new_app(herald)
    app.publish("a", {"number": 1})
    app_id = stored_app_id(herald, app)
    now, odd_id = datetime.now(UTC), uuid7_at(datetime.now(UTC) + timedelta(seconds=2))
    entry = event_record("a", {"number": 2, **odd}, event_id=odd_id, time=now, app=app_id)
    if odd["x"] == nested(2):
        entry = replace(entry, level=25)  # type: ignore[arg-type]  # as programs do
    store(herald.home, entry)
    assert numbers(found(app)) == [2, 1]
    first, _ = found(app)
    assert isinstance(first["data"], dict)
    assert first["data"]["x"] == odd["x"]
    assert object_in(get(app, f"/events/{odd_id}"))["data"] == first["data"]


def stored_app_id(server: HeraldServer, app: App) -> str:
    """Return the id of ``app``, which has published, as it is in the log."""
    wait_until(lambda: found(app) != [], "an event in the log")
    with closing(sqlite3.connect(server.home / "herald.db")) as database:
        (app_id,) = database.execute(
            "SELECT app FROM event_log WHERE id = ?", (found(app)[0]["id"],)
        ).fetchone()
    return str(app_id)


def store(home: Path, *records: LogRecord) -> None:
    """Write ``records`` to the log of a server, as another host would."""
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    factory.prepare()
    factory.sink.write(records)
    factory.close()
