"""Publishing, and reading what was published."""

from logger_lib import JsonObject
from webapp.access.scopes import Scope
from webapp.api_docs.operation import Body, Operation, by_key, json_answer
from webapp.api_docs.refusals import Refusal
from webapp.errors import (
    CallInProgress,
    IdempotencyKeyReused,
    LogNotReadable,
    MalformedBody,
    NotFound,
    RecordLost,
    SearchTooLong,
    UnsupportedMedia,
    ValidationFailed,
)
from webapp.events.idempotency import KEPT_SECONDS, MAX_KEY
from webapp.events.search_schema import DEFAULT_LIMIT, SearchSchema
from webapp.events.views import MAX_BATCH

TAG = "Events"
EVENT_ID = "01a200dc-06c6-74c5-8373-25b3767662b3"
ORDER: JsonObject = {
    "event": "order.created",
    "room": "orders",
    "data": {"orderId": "cfa3f520", "amount": 100},
}
TO_ALL: JsonObject = {"event": "shop.opened", "data": {"until": "20:00"}}
UNREACHED: JsonObject = {
    "type": "array",
    "items": {"type": "string"},
    "description": 'Hosts that had not answered in time; ["*"]: all others. Absent where all have.',
}
RECEIPT: JsonObject = {
    "type": "object",
    "required": ["id", "event", "rooms", "recipients"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "event": {"type": "string"},
        "rooms": {"type": "array", "items": {"type": "string"}, "description": "None: to all."},
        "recipients": {"type": "integer", "minimum": 0, "description": "Sockets that got it."},
        "unreached": UNREACHED,
    },
    "additionalProperties": False,
}
BATCH: JsonObject = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_BATCH,
            "description": "One that is no event is refused alone, in its place in `results`.",
            "items": {"anyOf": [{"$ref": "#/components/schemas/Event"}, {}]},
        }
    },
    "additionalProperties": False,
}
STORED: JsonObject = {
    "type": "object",
    "required": ["id", "event", "rooms", "data", "at"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "rooms": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "object", "additionalProperties": True},
        "at": {"type": "string", "format": "date-time"},
    },
}
PAGE: JsonObject = {
    "type": "object",
    "required": ["events", "next"],
    "properties": {
        "events": {"type": "array", "items": {"$ref": "#/components/schemas/StoredEvent"}},
        "next": {"type": ["string", "null"], "description": "The `cursor` of the next page."},
    },
    "additionalProperties": False,
}
DELIVERED: JsonObject = {
    "allOf": [
        {"$ref": "#/components/schemas/StoredEvent"},
        {
            "type": "object",
            "required": ["recipients", "deliveries"],
            "properties": {
                "recipients": {"type": "integer", "minimum": 0},
                "deliveries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["sid"],
                        "properties": {"sid": {"type": "string"}},
                    },
                },
            },
        },
    ]
}
IDEMPOTENCY_KEY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        f"A call that is repeated with it within {KEPT_SECONDS // 60} minutes gets the first"
        " answer again, and publishes nothing."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
}
_PUBLISHED_RECEIPT: JsonObject = {
    "id": EVENT_ID,
    "event": "order.created",
    "rooms": ["orders"],
    "recipients": 1,
}
_STORED_ORDER: JsonObject = {
    "id": EVENT_ID,
    "event": "order.created",
    "rooms": ["orders"],
    "data": {"orderId": "cfa3f520", "amount": 100},
    "at": "2026-05-25T12:00:00.250Z",
}
_PUBLISHING = (
    MalformedBody,
    CallInProgress,
    UnsupportedMedia,
    ValidationFailed,
    IdempotencyKeyReused,
    RecordLost,
)

EVENTS = (
    Operation(
        id="publish_event",
        method="post",
        path="/events",
        tag=TAG,
        summary="Publish an event",
        description=(
            "To the sockets in `room`, or in any of `rooms`; to every socket of the app where none"
            " is named. The id of a socket is no room: 422."
        ),
        security=by_key(Scope.PUBLISH),
        parameters=(IDEMPOTENCY_KEY,),
        body=Body(
            {"$ref": "#/components/schemas/Event"}, {"to a room": ORDER, "to everybody": TO_ALL}
        ),
        answers={202: json_answer("It is on its way, and logged.", RECEIPT, _PUBLISHED_RECEIPT)},
        refusals=_PUBLISHING,
    ),
    Operation(
        id="publish_batch",
        method="post",
        path="/events/batch",
        tag=TAG,
        summary="Publish many events",
        security=by_key(Scope.PUBLISH),
        parameters=(IDEMPOTENCY_KEY,),
        body=Body(BATCH, {"two events": {"events": [ORDER, TO_ALL]}}),
        answers={
            202: json_answer(
                "One answer or error for each, in their order.",
                {
                    "type": "object",
                    "required": ["results"],
                    "properties": {
                        "results": {
                            "type": "array",
                            "items": {"anyOf": [RECEIPT, {"$ref": "#/components/schemas/Error"}]},
                        }
                    },
                    "additionalProperties": False,
                },
                {"results": [_PUBLISHED_RECEIPT]},
            )
        },
        refusals=_PUBLISHING,
    ),
    Operation(
        id="search_events",
        method="get",
        path="/events",
        tag=TAG,
        summary="Search what was published",
        description=(
            "The newest first. All filters narrow the search together. A page has"
            f" {DEFAULT_LIMIT} events where no `limit` is given."
        ),
        security=by_key(Scope.READ),
        query=SearchSchema,
        answers={200: json_answer("A page.", PAGE, {"events": [_STORED_ORDER], "next": None})},
        refusals=(
            ValidationFailed,
            SearchTooLong,
            LogNotReadable,
        ),
    ),
    Operation(
        id="find_event",
        method="get",
        path="/events/{id}",
        tag=TAG,
        summary="See one event, and who got it",
        description="Its id is in the answer to `POST /events`: that of the example is nobody's.",
        security=by_key(Scope.READ),
        parameters=(
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
                "example": EVENT_ID,
            },
        ),
        answers={
            200: json_answer(
                "The event.",
                DELIVERED,
                {**_STORED_ORDER, "recipients": 1, "deliveries": [{"sid": "kAWGFBFSUGrQzfJ6AAAB"}]},
            )
        },
        refusals=(
            NotFound,
            LogNotReadable,
            Refusal(422, SearchTooLong.code, "The event has too many records to be read."),
        ),
    ),
)
