"""Taking hits over HTTP: what is taken and stored, what is refused and how that is told."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject, JsonValue, uuid7
from tests.services.herald import HeraldServer
from tests.services.hits import SAMPLE, message_ids, stored_hits
from tests.web.conftest import App, new_app, object_in, refusal, refused_fields
from webapp.access.scopes import Scope
from webapp.collect.calls import MAX_BYTES, MAX_HITS, PATHS

AROUND, THROUGH = "application/json", "application/json; charset=utf-8"
"""What has a call go around Flask, and through it."""
ONE: JsonObject = {"accepted": 1, "rejected": []}
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@pytest.fixture(scope="module")
def module_app(herald: HeraldServer) -> App:
    """One app for all tests here: none asks for another's hits."""
    return new_app(herald)


@pytest.fixture
def event() -> str:
    """A name that no other test's hits have."""
    return f"test.{uuid7()}"


def collect(app: App, hit: JsonObject, **headers: str) -> requests.Response:
    """Send one hit, which must be taken, and return the answer."""
    answer = app.post("/analytics/collect", hit, **headers)
    assert (answer.status_code, object_in(answer)) == (202, ONE), answer.text
    return answer


def stored(app: App, hit: JsonObject, **headers: str) -> dict[str, JsonValue]:
    """Send one hit and return its row."""
    collect(app, hit, **headers)
    (row,) = stored_hits(app.server.home, str(hit["event"]), 1)
    return row


def iso(milliseconds: int) -> str:
    """Return a time as JavaScript's ``toISOString`` writes it."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("kind", [AROUND, THROUGH])
@pytest.mark.parametrize("path", PATHS)
def test_the_sample(module_app: App, event: str, path: str, kind: str) -> None:
    """The assignment's sample is taken as it is, by both paths, and stored when it is answered."""
    answer = module_app.post(path, {**SAMPLE, "event": event}, Content_Type=kind)
    assert (answer.status_code, object_in(answer)) == (202, ONE)
    (row,) = stored_hits(module_app.server.home, event, 1)
    assert (row["url"], row["referrer"]) == ("https://example.com/page", "https://google.com")
    assert (row["user_id"], row["device"], row["ip_address"]) == (
        "user789",
        "mobile",
        "192.168.1.0",
    )
    assert row["at"] == int(datetime(2024, 2, 20, 12, 34, 56, tzinfo=UTC).timestamp()) * 1000
    assert json.loads(str(row["details"])) == SAMPLE["metadata"]
    assert abs(int(str(row["received_at"])) - now()) < 10_000


def test_the_answer_is_the_same_either_way(module_app: App, event: str) -> None:
    """Nobody can tell from an answer whether a call went around Flask."""
    one: JsonObject = {"event": event}
    batch: JsonObject = {"batch": [one, {"event": ""}]}
    for body in (one, batch):
        around, through = (
            module_app.post("/collect", body, Content_Type=kind) for kind in (AROUND, THROUGH)
        )
        assert around.content == through.content
        del around.headers["Date"], through.headers["Date"]
        assert around.headers == through.headers


def test_what_is_absent(module_app: App, event: str) -> None:
    """An event's name suffices; ``null`` and an empty text are the same as nothing."""
    nothing = dict.fromkeys(["url", "referrer", "device", "userId", "sessionId", "messageId"], "")
    empty: JsonObject = {**nothing, "ipAddress": "", "timestamp": "", "sentAt": None, "url": None}
    for hit in ({"event": event}, {"event": event, **empty, "metadata": None}):
        collect(module_app, {**hit})
    rows = stored_hits(module_app.server.home, event, 2)
    assert len({row["message_id"] for row in rows}) == 2
    for row in rows:
        assert row["ip_address"] == "127.0.0.0"
        assert row["at"] == row["received_at"]
        for column in ("url", "referrer", "user_id", "session_id", "details"):
            assert row[column] is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"event": None}, "Field may not be null."),
        ({"event": ""}, "Must not be empty."),
        ({"event": "a" * 201}, "Must have at most 200 characters."),
        ({"event": "a\nb"}, "Must have no control characters."),
        ({"event": "a "}, "Must not end in a blank: MySQL would not tell it from without."),
        ({"event": 5}, "Must be a string."),
        ({"url": "https://e.org/" + "a" * 8192}, "Must have at most 8192 characters."),
        ({"url": "https://e.org/\0"}, "Must have no control characters."),
        ({"referrer": ["a"]}, "Must be a string."),
        ({"device": "d" * 101}, "Must have at most 100 characters."),
        ({"device": 0}, "Must be a string."),
        ({"userAgent": "u" * 1001}, "Must have at most 1000 characters."),
        ({"userId": "u" * 201}, "Must have at most 200 characters."),
        ({"userId": 7}, "Must be a string."),
        ({"userId": "u "}, "Must not end in a blank: MySQL would not tell it from without."),
        ({"sessionId": "s" * 201}, "Must have at most 200 characters."),
        ({"messageId": "m" * 101}, "Must have at most 100 characters."),
        ({"messageId": False}, "Must be a string."),
        ({"ipAddress": "192.168.1"}, "Must be an IPv4 or IPv6 address."),
        ({"ipAddress": "fe80::1%eth0"}, "Must be an IPv4 or IPv6 address."),
        ({"ipAddress": 1}, "Must be an IPv4 or IPv6 address."),
        ({"metadata": []}, "Must be an object."),
        ({"metadata": {"a": 2**63}}, f"{2**63} does not fit into 64 bits: send it as a string."),
        ({"metadata": {"a\0": 1}}, "A key must not contain NUL: MongoDB cannot hold it."),
        ({"event_name": "x"}, "Unknown field."),
    ],
    ids=repr,
)
def test_refusals(module_app: App, event: str, wrong: JsonObject, said: str) -> None:
    """What is wrong with a hit is told by its field, with 422, and nothing is stored."""
    answer = module_app.post("/collect", {"event": event, **wrong})
    assert refused_fields(answer) == {next(iter(wrong)): [said]}
    assert stored_hits(module_app.server.home, event) == []


ISO = 'Must be a time with its offset, such as "2026-11-22T12:00:00.250Z", or ms since 1970.'
SMALL = "A number is a time in ms since 1970: this one is too small."


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("2024-02-20T12:34:56", ISO),
        ("2024-02-20", ISO),
        ("yesterday", ISO),
        (1.5, ISO),
        (True, ISO),
        (1_708_432_496, SMALL),
        (-5, SMALL),
        ("1999-12-31T23:59:59Z", "Lies before the year 2000."),
        (
            "2999-01-01T00:00:00Z",
            "Lies more than a day in the future: add sentAt, by the same clock, to put it right.",
        ),
        (
            10**30,
            "Lies more than a day in the future: add sentAt, by the same clock, to put it right.",
        ),
    ],
    ids=repr,
)
def test_times_that_are_refused(module_app: App, event: str, wrong: JsonValue, said: str) -> None:
    """A time that is none, or at which no hit can have happened, is told."""
    answer = module_app.post("/collect", {"event": event, "timestamp": wrong})
    assert refused_fields(answer) == {"timestamp": [said]}


def test_times(module_app: App, event: str) -> None:
    """A time is taken with any offset or in ms; what is said to be in the future was now."""
    noon = 1_708_430_400_000
    spelled: list[JsonValue] = [
        "2024-02-20T12:00:00Z",
        "2024-02-20T17:30:00+05:30",
        "2024-02-20T07:00:00.000-05:00",
        noon,
    ]
    for timestamp in spelled:
        collect(module_app, {"event": event, "timestamp": timestamp})
    collect(module_app, {"event": event, "timestamp": iso(now() + 3_600_000)})
    rows = stored_hits(module_app.server.home, event, len(spelled) + 1)
    assert [row["at"] for row in rows[:-1]] == [noon] * len(spelled)
    assert rows[-1]["at"] == rows[-1]["received_at"]


@pytest.mark.parametrize("off_by", [-3_600_000, 0, 86_400_000 * 400, -86_400_000 * 18_250])
def test_a_clock_that_is_wrong(module_app: App, event: str, off_by: int) -> None:
    """By ``sentAt`` a clock is put right that is wrong by years: a minute before it stays that."""
    sent = now() + off_by
    row = stored(module_app, {"event": event, "timestamp": iso(sent - 60_000), "sentAt": iso(sent)})
    assert int(str(row["received_at"])) - int(str(row["at"])) == 60_000


def test_a_batch_has_one_clock(module_app: App, event: str) -> None:
    """``sentAt`` of a batch counts for its hits; one that has its own goes by that."""
    sent = now() - 7_200_000
    answer = module_app.post(
        "/collect",
        {
            "sentAt": iso(sent),
            "batch": [
                {"event": event, "timestamp": iso(sent - 1_000)},
                {"event": event, "timestamp": iso(sent - 1_000), "sentAt": iso(sent - 500)},
                {"event": event},
            ],
        },
    )
    assert object_in(answer) == {"accepted": 3, "rejected": []}
    rows = stored_hits(module_app.server.home, event, 3)
    assert [int(str(row["received_at"])) - int(str(row["at"])) for row in rows] == [1_000, 500, 0]


def test_a_batch_with_bad_hits(module_app: App, event: str) -> None:
    """The good hits of a batch are stored; of the others each is told by its index."""
    answer = module_app.post(
        "/collect",
        {"batch": [{"event": event}, {"event": ""}, "no hit", {"event": event}, {"x": 1}]},
    )
    assert answer.status_code == 202
    told = object_in(answer)
    assert told["accepted"] == 2
    rejected = told["rejected"]
    assert isinstance(rejected, list)
    said = [(one["index"], one["error"]) for one in rejected if isinstance(one, dict)]
    assert [index for index, _ in said] == [1, 2, 4]
    fields = [error.get("fields") for _, error in said if isinstance(error, dict)]
    assert fields[0] == {"event": ["Must not be empty."]}
    assert fields[1] is None
    assert fields[2] == {"event": ["Missing data for required field."], "x": ["Unknown field."]}
    assert len(stored_hits(module_app.server.home, event, 2)) == 2


def test_a_batch_of_bad_hits(module_app: App) -> None:
    """Where no hit of a batch is good, none is accepted."""
    answer = module_app.post("/collect", {"batch": [{}]})
    assert answer.status_code == 202
    assert object_in(answer)["accepted"] == 0


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"batch": {}}, {"batch": ["Must be an array."]}),
        ({"batch": []}, {"batch": [f"Must have 1 to {MAX_HITS} items."]}),
        ({"batch": [{}] * (MAX_HITS + 1)}, {"batch": [f"Must have 1 to {MAX_HITS} items."]}),
        ({"batch": [{}], "event": "a"}, {"event": ["Unknown field."]}),
        ({"batch": [{}], "sentAt": "now"}, {"sentAt": [ISO]}),
    ],
    ids=["no array", "empty", "too many", "something beside it", "a bad sentAt"],
)
def test_no_batch(module_app: App, body: JsonObject, fields: JsonObject) -> None:
    """What is no batch at all is a 422."""
    assert refused_fields(module_app.post("/collect", body)) == fields


def test_the_largest_batch(module_app: App, event: str) -> None:
    """2,500 hits are taken and stored; 500 KiB are taken, and a byte more is refused."""
    hits: list[JsonValue] = [{"event": event, "messageId": f"{n}"} for n in range(MAX_HITS)]
    assert object_in(module_app.post("/collect", {"batch": hits}))["accepted"] == MAX_HITS
    ids = message_ids(module_app.server.home, event, MAX_HITS)
    assert sorted(ids, key=int) == [f"{n}" for n in range(MAX_HITS)]
    start, end = f'{{"event":"{event}","metadata":{{"x":"'.encode(), b'"}}'
    body = start + b"x" * (MAX_BYTES - len(start) - len(end)) + end
    for kind in (AROUND, THROUGH):
        assert module_app.post_raw("/collect", body, Content_Type=kind).status_code == 202
        said = refusal(
            module_app.post_raw("/collect", body + b" ", Content_Type=kind), 413, "body_too_large"
        )
        assert f"{MAX_BYTES} bytes and {MAX_HITS} hits" in str(said["message"])


def test_the_same_message_twice(module_app: App, event: str) -> None:
    """Of hits with the same ``messageId`` one is kept, in a batch too; in another app it is new."""
    hit: JsonObject = {"event": event, "messageId": "m-1"}
    for _ in range(2):
        collect(module_app, hit)
    assert object_in(module_app.post("/collect", {"batch": [hit, hit]}))["accepted"] == 2
    assert message_ids(module_app.server.home, event, 1) == ["m-1"]
    key = module_app.server.issue_key(Scope.COLLECT, app=f"other-{event}")
    assert module_app.server.post("/collect", hit, key).status_code == 202
    assert message_ids(module_app.server.home, event, 2) == ["m-1"] * 2


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2001:DB8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:db8::1", "2001:db8::"),
    ],
)
def test_addresses_are_truncated(module_app: App, event: str, sent: str, kept: str) -> None:
    """Of an address the part that many share is stored: 24 bits of IPv4, 48 of IPv6."""
    assert stored(module_app, {"event": event, "ipAddress": sent})["ip_address"] == kept


def test_the_visitor_behind_a_proxy(home: Path, event: str) -> None:
    """A hit that names no address has that of who called, as the trusted proxy says it."""
    environ = {"TRUSTED_PROXIES": "127.0.0.0/8"}
    with HeraldServer(home, environ) as server:
        headers = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        assert server.post("/collect", {"event": event}, **headers).status_code == 202
        assert [row["ip_address"] for row in stored_hits(home, event, 1)] == ["203.0.113.0"]


def test_user_agents(module_app: App, event: str) -> None:
    """The browser is read from the call's ``User-Agent``, or from what a server hands on."""
    assert stored(module_app, {"event": event}, User_Agent=CHROME)["browser"] == "Chrome"
    told = stored(module_app, {"event": f"{event}-told", "userAgent": CHROME})
    assert (told["browser"], told["is_bot"]) == ("Chrome", 0)
    assert stored(module_app, {"event": f"{event}-bot"}, User_Agent=GOOGLEBOT)["is_bot"] == 1
    service = stored(
        module_app, {"event": f"{event}-none", "userAgent": None}, User_Agent=GOOGLEBOT
    )
    assert (service["browser"], service["is_bot"]) == (None, 0)


def test_what_an_app_says_of_the_browser_counts(module_app: App, event: str) -> None:
    """``metadata`` may name browser and system; what is no such name counts for nothing."""
    said: JsonObject = {"browser": "Herald for Kiosks", "os": "Android"}
    row = stored(module_app, {"event": event, "metadata": said}, User_Agent=CHROME)
    assert (row["browser"], row["os"]) == ("Herald for Kiosks", "Android")
    odd: JsonObject = {"browser": {"name": "Chrome"}, "os": "x" * 101}
    other = stored(module_app, {"event": f"{event}.odd", "metadata": odd}, User_Agent=CHROME)
    assert (other["browser"], other["os"]) == ("Chrome", "Linux")


def test_who_may_collect(herald: HeraldServer, event: str) -> None:
    """It takes a key with the scope ``collect``; any other is refused as everywhere."""
    hit: JsonObject = {"event": event}
    refusal(herald.post("/collect", hit, "no key"), 401, "unauthorized")
    every_other = herald.issue_key(*(set(Scope) - {Scope.COLLECT}))
    for _ in range(2):
        refusal(herald.post("/collect", hit, every_other), 403, "forbidden")
    refusal(
        herald.post("/collect", hit, Content_Type="application/x-www-form-urlencoded"),
        415,
        "unsupported_media_type",
    )
    refusal(herald.post_raw("/collect", b"{"), 400, "malformed_json")
    assert stored_hits(herald.home, event) == []
    answer = requests.get(f"{herald.url}/collect", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
