"""``POST /events`` and ``POST /events/batch``."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from logger_lib import JsonObject, JsonValue, Logger
from logger_lib.flask import current_logger
from webapp.access.gate import Caller, Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.errors import HeraldError, Unavailable, ValidationFailed
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.idempotency import IdempotentAnswers, Made
from webapp.events.publisher import Publisher, Publishing
from webapp.events.schema import load_event
from webapp.http_errors import json_response
from webapp.json_body import MAX_DEPTH, read_json
from webapp.names import MAX_UNKNOWN

Room: TypeAlias = Callable[[], int]
"""Waits for room in the log; raises ``Unavailable`` where there is none."""

MAX_BATCH = 1000
WORK_A_TURN = 1000
"""How much of a batch is published before others get their turn, in recipients: about 5 ms."""

ITEM_WORK = 4
"""What an event costs beside its recipients, in recipients."""

FIRST_AT_ONCE, MOST_AT_ONCE = 10, 100
"""How many events of a batch wait for other hosts together, until it is known what they cost."""

BATCH_DEPTH = MAX_DEPTH + 2
"""An event in a batch may be nested as deep as one sent alone."""


def make_events_blueprint(
    publisher: Publisher,
    gate: Gate,
    answers: IdempotentAnswers,
    acknowledgements: Acknowledgements,
) -> Blueprint:
    """Return the blueprint through which services publish."""
    blueprint = Blueprint("events", __name__)

    @blueprint.post("/events")
    def publish() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.PUBLISH)
        body = read_json(request)
        return accepted(caller, lambda logger, _: _publish_one(publisher, caller, body, logger))

    @blueprint.post("/events/batch")
    def publish_batch() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.PUBLISH)
        items = _batch_in(read_json(request, max_depth=BATCH_DEPTH))
        return accepted(
            caller, lambda logger, room: _publish_all(publisher, caller, items, logger, room)
        )

    def accepted(caller: Caller, publish: Callable[[Logger, Room], JsonObject]) -> Response:
        def make() -> Made:
            logger = current_logger()
            acknowledgement = acknowledgements.of(logger)
            lost_before = acknowledgement.check()
            answer = publish(logger, acknowledgement.check)
            return answer, lambda: acknowledgement.confirm(lost_before)

        owner = f"{caller.app_id} {request.path}"
        key = request.headers.get("Idempotency-Key")
        return json_response(answers.answer(owner, key, request.get_data(), make), 202)

    return blueprint


def events_in_call() -> int:
    """Return how many events the current call publishes; 1 where it is none of that, or refused."""
    if not request.path.endswith("/batch"):
        return 1
    try:
        return len(_batch_in(read_json(request, max_depth=BATCH_DEPTH)))
    except (HeraldError, RequestEntityTooLarge):
        return 1


def _publish_one(
    publisher: Publisher, caller: Caller, body: JsonValue, logger: Logger
) -> JsonObject:
    return publisher.publish(load_event(body, caller.app_id), logger).to_wire()


def _batch_in(body: JsonValue) -> list[JsonValue]:
    if not isinstance(body, dict) or not isinstance(items := body.get("events"), list):
        raise ValidationFailed('send {"events": […]}', {"events": ["Must be an array."]})
    unknown = sorted(islice(body.keys() - {"events"}, MAX_UNKNOWN))
    if unknown:
        fields = {name: ["Unknown field."] for name in unknown}
        raise ValidationFailed('send {"events": […]} and nothing beside it', fields)
    if not 1 <= len(items) <= MAX_BATCH:
        raise ValidationFailed(
            f"a batch has 1 to {MAX_BATCH} events",
            {"events": [f"Must have 1 to {MAX_BATCH} items."]},
        )
    return items


def _publish_all(
    publisher: Publisher, caller: Caller, items: list[JsonValue], logger: Logger, room: Room
) -> JsonObject:
    results: list[JsonValue] = []
    at_once, work = FIRST_AT_ONCE, 0
    while len(results) < len(items):
        if work >= WORK_A_TURN:
            work = 0
            # The others' turn, and that of the loggers, whose buffers would be full before the end.
            time.sleep(0)
            try:
                room()
            except Unavailable as error:
                return {"results": results + [error.to_wire()] * (len(items) - len(results))}
        part = items[len(results) : len(results) + at_once]
        answers, cost = _publish_some(publisher, caller, part, logger)
        results += answers
        work += cost
        at_once = max(1, min(MOST_AT_ONCE, WORK_A_TURN * len(part) // cost))
    return {"results": results}


def _publish_some(
    publisher: Publisher, caller: Caller, items: Sequence[JsonValue], logger: Logger
) -> tuple[list[JsonValue], int]:
    """Publish events that wait for other hosts together; return the answers, and their work."""
    begun = [_begin(publisher, caller, item, logger) for item in items]
    for each in begun:
        if not isinstance(each, HeraldError):
            each.deliver()
    answers: list[JsonValue] = []
    work = 0
    for each in begun:
        if isinstance(each, HeraldError):
            answers.append(each.to_wire())
        else:
            receipt = each.receipt()
            answers.append(receipt.to_wire())
            work += receipt.recipients
        work += ITEM_WORK
    return answers, work


def _begin(
    publisher: Publisher, caller: Caller, item: JsonValue, logger: Logger
) -> Publishing | HeraldError:
    try:
        return publisher.begin(load_event(item, caller.app_id), logger)
    except HeraldError as error:
        return error
