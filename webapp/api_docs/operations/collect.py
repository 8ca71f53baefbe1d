"""Sending analytics."""

from dataclasses import replace

from logger_lib import JsonObject
from webapp.access.scopes import Scope
from webapp.api_docs.field_limits import limits_of
from webapp.api_docs.operation import Body, Operation, by_key, json_answer
from webapp.collect.calls import MAX_BYTES, MAX_HITS, PATHS, TEXT
from webapp.collect.schema import HitSchema
from webapp.errors import MalformedBody, UnsupportedMedia, ValidationFailed

TAG = "Analytics: sending"
HIT: JsonObject = {
    "event": "login_form_cta_click",
    "url": "https://example.com/page",
    "userId": "user789",
    "metadata": {"screenSize": "1080x1920"},
}
HIT_BATCH: JsonObject = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_HITS,
            "description": "One that is no hit is told in `rejected`, and the others are taken.",
            "items": {"anyOf": [{"$ref": "#/components/schemas/Hit"}, {}]},
        },
        "sentAt": limits_of(HitSchema().fields["sent_at"]),
    },
    "additionalProperties": False,
}
_COLLECTED: JsonObject = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {
            "type": "array",
            "items": {
                "allOf": [
                    {"$ref": "#/components/schemas/Error"},
                    {
                        "type": "object",
                        "required": ["index"],
                        "properties": {"index": {"type": "integer", "minimum": 0}},
                    },
                ]
            },
        },
    },
    "additionalProperties": False,
}

_COLLECT = Operation(
    id="collect",
    method="post",
    path=PATHS[0],
    tag=TAG,
    summary="Send one hit, or a batch",
    description=(
        f"Up to {MAX_BYTES} bytes. The same `messageId` counts once. A time that lies before the"
        " year 2000, or more than a day in the future, is refused. `navigator.sendBeacon` sends"
        f" `{TEXT}`, with `?key=` of a key that may do nothing but `{Scope.COLLECT}`."
    ),
    security=(*by_key(Scope.COLLECT), {"keyInAddress": (str(Scope.COLLECT),)}),
    body=Body(
        {
            "anyOf": [
                {"$ref": "#/components/schemas/Hit"},
                {"$ref": "#/components/schemas/HitBatch"},
            ]
        },
        {"one hit": HIT, "a batch": {"batch": [HIT, {"event": "page_view"}]}},
        also=(TEXT,),
    ),
    answers={
        202: json_answer(
            "How many are taken in, and what is wrong with the others.",
            _COLLECTED,
            {"accepted": 1, "rejected": []},
        )
    },
    refusals=(MalformedBody, UnsupportedMedia, ValidationFailed),
)

COLLECT = (
    _COLLECT,
    replace(_COLLECT, id="collect_short", path=PATHS[1], summary=f"The same as {PATHS[0]}"),
)
