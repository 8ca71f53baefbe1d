"""``POST /events`` and ``POST /events/batch``."""

from collections.abc import Callable
from itertools import islice

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from logger_lib import JsonObject, JsonValue, Logger
from logger_lib.flask import current_logger
from webapp.access.gate import Caller, Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.errors import HeraldError, ValidationFailed
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.batch import BatchPublishing, Room
from webapp.events.idempotency import IdempotentAnswers, Made
from webapp.events.publisher import Publisher
from webapp.events.schema import load_event
from webapp.http_errors import json_response
from webapp.json_body import MAX_DEPTH, read_json
from webapp.names import MAX_UNKNOWN

MAX_BATCH = 1000
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

        def publish_all(logger: Logger, room: Room) -> JsonObject:
            batch = BatchPublishing(publisher, caller.app_id, logger)
            return {"results": batch.publish(items, room)}

        return accepted(caller, publish_all)

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
