"""Whether Herald is well."""

from logger_lib import JsonObject
from webapp.api_docs.operation import Answer, Operation, json_answer

TAG = "Health"
_READY: JsonObject = {
    "type": "object",
    "required": ["status", "parts"],
    "properties": {
        "status": {"enum": ["ready", "not ready"]},
        "parts": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": True,
}
_NOT_READY: JsonObject = {"allOf": [_READY, {"$ref": "#/components/schemas/Error"}]}

HEALTH = (
    Operation(
        id="is_live",
        method="get",
        path="/health/live",
        tag=TAG,
        summary="Ask whether the process lives",
        is_limited=False,
        answers={
            200: json_answer(
                "It does.",
                {
                    "type": "object",
                    "required": ["status"],
                    "properties": {"status": {"const": "live"}},
                },
                {"status": "live"},
            )
        },
    ),
    Operation(
        id="is_ready",
        method="get",
        path="/health/ready",
        tag=TAG,
        summary="Ask whether to send it work",
        description="With the state of each part, and of what it has to do.",
        is_limited=False,
        answers={
            200: json_answer(
                "Send it.",
                _READY,
                {"status": "ready", "parts": {"database": "ok", "drain": "ok"}},
            ),
            503: Answer(
                "Send it none: `parts` says why.",
                {"application/json": _NOT_READY},
                headers={"Retry-After": "Seconds."},
            ),
        },
    ),
)
