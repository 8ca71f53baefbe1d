"""The way around Flask: nobody can tell from an answer which way it came."""

import pytest
from flask import Flask
from werkzeug.test import Client

from logger_lib import JsonObject
from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.web.conftest import App, object_in, refusal
from webapp.errors import Unavailable
from webapp.http_errors import register_error_handlers
from webapp.json_body import MAX_BODY_BYTES
from webapp.short_way import Prepared, Route, ShortWay

AROUND, THROUGH = "application/json", "application/json; charset=utf-8"
"""A media type with a parameter is for Flask to read."""


def test_the_answer_is_the_same(app: App) -> None:
    """A good event has the same status, headers and body either way, and reaches the room."""
    body: JsonObject = {"event": "a", "room": "r", "data": {"n": 1}}
    with app.connect("r") as client:
        answers = [app.post("/events", body, Content_Type=kind) for kind in (AROUND, THROUGH)]
        app.publish("last", {})
        assert client.events_until("last") == [["a", {"n": 1}]] * 2
    headers = [
        {name: value for name, value in answer.headers.items() if name != "Date"}
        for answer in answers
    ]
    assert headers[0] == headers[1]
    assert [answer.status_code for answer in answers] == [202, 202]
    around, through = (object_in(answer) for answer in answers)
    assert {**around, "id": ""} == {**through, "id": ""}
    assert around["id"] != through["id"]


@pytest.mark.parametrize("kind", [AROUND, THROUGH])
def test_the_longest_body(app: App, kind: str) -> None:
    """A body of the greatest size is taken, and one byte more is refused, either way."""
    start, end = b'{"event":"a","room":"nobody","data":{"x":"', b'"}}'
    body = start + b"x" * (MAX_BODY_BYTES - len(start) - len(end)) + end
    assert app.post_raw("/events", body, Content_Type=kind).status_code == 202
    refusal(app.post_raw("/events", body + b" ", Content_Type=kind), 413, "body_too_large")


def test_a_failure_is_answered_by_flasks_handlers() -> None:
    """What fails after the preparation is logged and told in the envelope, and not tried again."""
    log = MemoryLoggerFactory()
    flask = Flask("failing")
    register_error_handlers(flask, log.create_logger("server"))
    calls: list[bytes] = []

    def prepare(environ: dict[str, str], body: bytes) -> Prepared:
        def call() -> JsonObject:
            calls.append(body)
            if environ["QUERY_STRING"] == "known":
                raise Unavailable("come back later")
            raise RuntimeError("unforeseen")

        return Prepared(call, [])

    flask.add_url_rule("/x", view_func=lambda: "never", methods=["POST"])
    flask.wsgi_app = ShortWay(flask, {"/x": Route(prepare)})  # type: ignore[method-assign]  # as Flask documents middleware
    client = Client(flask)
    unforeseen = client.post("/x", json={})
    known = client.post("/x?known", json={})
    assert (unforeseen.status_code, known.status_code) == (500, 503)
    assert known.headers["Retry-After"] == str(Unavailable.retry_after)
    assert calls == [b"{}", b"{}"]
    assert [(entry.event, entry.message) for entry in log.records] == [
        ("request.failed", "RuntimeError: unforeseen")
    ]
