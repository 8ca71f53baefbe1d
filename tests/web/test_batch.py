"""``POST /events/batch``: many events in one call."""

import pytest

from logger_lib import JsonObject, JsonValue
from tests.web.conftest import App, error_in, refusal, refused_fields


def events(*names: str) -> JsonObject:
    return {"events": [{"event": name, "data": {"name": name}} for name in names]}


def results_of(app: App, body: JsonObject) -> list[JsonObject]:
    answer = app.post("/events/batch", body)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert list(body) == ["results"]
    results = body["results"]
    assert isinstance(results, list)
    return [result for result in results if isinstance(result, dict)]


def test_in_order(app: App) -> None:
    """Events are delivered in the order of the batch, and answered in it."""
    names = [f"event.{number}" for number in range(50)]
    with app.connect() as client:
        results = results_of(app, events(*names))
        assert [client.next_event() for _ in names] == [[name, {"name": name}] for name in names]
    assert [result["event"] for result in results] == names
    assert {result["recipients"] for result in results} == {1}
    assert len({str(result["id"]) for result in results}) == len(names)


def test_one_error_stops_no_other(app: App) -> None:
    """An item that is refused has its error where its answer would stand; the others go out."""
    wrong: list[JsonValue] = [1, None, [], {}, {"event": "connect", "data": {}}]
    good: list[JsonValue] = [{"event": f"good.{number}", "data": {}} for number in range(6)]
    mixed = [item for pair in zip(good, wrong, strict=False) for item in pair] + good[5:]
    with app.connect() as client:
        results = results_of(app, {"events": mixed})
        received = [client.next_event()[0] for _ in good]
    assert received == [f"good.{number}" for number in range(6)]
    assert [result["event"] for result in results[::2]] == received
    for result in results[1::2]:
        error_in(result, "validation_failed")


def test_a_thousand(app: App) -> None:
    """A thousand events are one batch."""
    assert len(results_of(app, events(*["a"] * 1000))) == 1000


@pytest.mark.parametrize("count", [0, 1001])
def test_too_few_and_too_many(module_app: App, count: int) -> None:
    """No event, and more than a thousand, are refused as a whole."""
    fields = refused_fields(module_app.post("/events/batch", events(*["a"] * count)))
    assert fields == {"events": ["Must have 1 to 1000 items."]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], ["events"]),
        ({}, ["events"]),
        ({"events": None}, ["events"]),
        ({"events": {"event": "a", "data": {}}}, ["events"]),
        ({"events": [], "room": "a", "event": "b"}, ["event", "room"]),
        ({**events("a"), "Events": []}, ["Events"]),
    ],
)
def test_another_form(module_app: App, body: JsonValue, fields: list[str]) -> None:
    """A batch is an object with events and nothing beside them; what is wrong is named."""
    assert list(refused_fields(module_app.post("/events/batch", body))) == fields


def test_a_stray_comma(module_app: App) -> None:
    """A stray comma in a batch is refused as in a single event."""
    answer = module_app.post_raw("/events/batch", b'{"events": [{"event": "a", "data": {},}]}')
    refusal(answer, 400, "malformed_json")
