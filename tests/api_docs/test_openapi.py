"""The OpenAPI document: it leaves out nothing, and its examples and limits are the server's."""

import re
from collections.abc import Iterator

import pytest
import requests
from jsonschema_rs import Draft202012Validator

from logger_lib import JsonObject, JsonValue
from tests.api_docs.conftest import SECONDS, Documented
from webapp import errors
from webapp.api_docs.operations import LEFT_OUT
from webapp.collect.calls import MAX_HITS
from webapp.events.views import MAX_BATCH

METHODS = {"get", "post", "patch", "put", "delete"}


def object_in(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict), value
    return value


@pytest.fixture(scope="module")
def document(documented: Documented) -> JsonObject:
    return documented.document("/openapi.json")


def operations_in(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield each operation, with its route."""
    for path, item in object_in(document["paths"]).items():
        for method, operation in object_in(item).items():
            if method in METHODS:
                yield f"{method.upper()} {path}", object_in(operation)


def schema_in(document: JsonObject, schema: JsonValue) -> JsonObject:
    """Return a schema of the document as one that stands alone."""
    return {**object_in(schema), "components": document["components"]}


def test_every_route_is_there_or_left_out(documented: Documented, document: JsonObject) -> None:
    """What can be called is described, or named with the reason why not; and nothing else is."""
    calls = object_in(documented.document("/test/calls"))["endpoints"]
    assert isinstance(calls, list)
    there = {re.sub("<[^>]+>", "{}", str(call)) for call in calls}
    described = {re.sub("{[^}]+}", "{}", route) for route, _ in operations_in(document)}
    assert described | set(LEFT_OUT) == there
    assert not described & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


def test_examples_are_what_they_are_examples_of(document: JsonObject) -> None:
    """Each example of a body or an answer is as its schema says, of an error too."""
    wrong = [
        f"{route} {where}: {error.message}"
        for route, operation in operations_in(document)
        for where, media in media_in(operation)
        for example in examples_in(media)
        for error in Draft202012Validator(schema_in(document, media["schema"])).iter_errors(example)
    ]
    assert wrong == []


def media_in(operation: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield what is in the body and in each answer, with where that is."""
    holders = {"body": operation.get("requestBody", {}), **object_in(operation["responses"])}
    for where, holder in holders.items():
        for media in object_in(object_in(holder).get("content", {})).values():
            yield where, object_in(media)


def examples_in(media: JsonObject) -> list[JsonValue]:
    named = object_in(media.get("examples", {}))
    alone = [media["example"]] if "example" in media else []
    return alone + [object_in(each)["value"] for each in named.values()]


def test_errors_are_those_that_there_are(document: JsonObject) -> None:
    """Each code that is told is one of the tree of errors, under its status; few are not told."""
    known, waiting = {(500, "internal_error")}, [errors.HeraldError]
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        known |= {(child.status, child.code) for child in children}
    told = {
        (int(status), code)
        for _, operation in operations_in(document)
        for status, answer in object_in(operation["responses"]).items()
        for code in object_in(object_in_json(object_in(answer)).get("examples", {}))
        if int(status) >= 400
    }
    assert told <= known
    # No call over HTTP is refused for want of a place for a socket.
    assert known - told == {(503, "too_many_sockets")}


def object_in_json(answer: JsonObject) -> JsonObject:
    return object_in(object_in(answer.get("content", {})).get("application/json", {}))


@pytest.mark.parametrize(
    ("path", "key", "most", "item"),
    [
        ("/events/batch", "events", MAX_BATCH, {"event": "a", "data": {}}),
        ("/analytics/collect", "batch", MAX_HITS, {"event": "a"}),
    ],
)
def test_limits_of_batches(
    documented: Documented, path: str, key: str, most: int, item: JsonValue
) -> None:
    """As many as the document says are taken, one more is refused: too much for schemathesis."""
    assert f'"maxItems":{most}' in documented.get("/openapi.json").text
    answers = [
        requests.post(
            documented.server.url + path,
            json={key: [item] * number},
            headers={"X-API-Key": documented.key},
            timeout=SECONDS,
        ).status_code
        for number in (most, most + 1)
    ]
    assert answers == [202, 422]


def test_it_is_kept_by_browsers(documented: Documented) -> None:
    """It comes compressed, and is asked for again by what tells it from another."""
    first = documented.get("/openapi.json", Accept_Encoding="gzip")
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = documented.get("/openapi.json", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
