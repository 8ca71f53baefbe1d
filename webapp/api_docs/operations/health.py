"""Whether Herald is well, in words and figures."""

from logger_lib import JsonObject
from webapp.api_docs.operation import Answer, Operation, json_answer
from webapp.errors import TooManyRequests
from webapp.metrics.views import OPENMETRICS, PLAIN

TAG = "Health"
_READY: JsonObject = {
    "type": "object",
    "required": ["status", "ready", "parts"],
    "properties": {
        "status": {"enum": ["ready", "not ready"]},
        "ready": {"type": "boolean"},
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
                {"status": "ready", "ready": True, "parts": {"database": "ok", "drain": "ok"}},
            ),
            503: Answer(
                "Send it none: `parts` says why.",
                {"application/json": _NOT_READY},
                headers={"Retry-After": "Seconds."},
            ),
        },
    ),
    Operation(
        id="metrics",
        method="get",
        path="/metrics",
        tag=TAG,
        summary="Read the figures, as Prometheus does",
        description=(
            "Of all workers behind the port. Where `METRICS_TOKEN` is set it is for who brings that"
            " alone; no API key opens it."
        ),
        security=({}, {"metricsToken": ()}),
        is_limited=False,
        answers={
            200: Answer(
                "The figures, in OpenMetrics where that is asked for.",
                {media: {"type": "string"} for media in (PLAIN, OPENMETRICS)},
            )
        },
        refusals=(TooManyRequests,),
    ),
)
