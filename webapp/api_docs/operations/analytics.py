"""Asking what was collected."""

from collections.abc import Mapping
from typing import TypeAlias

from marshmallow import Schema

from logger_lib import JsonObject, JsonValue
from webapp.access.scopes import Scope
from webapp.analytics.breakdown import MAX_HITS, By
from webapp.analytics.export import CONTENT_TYPES
from webapp.analytics.question_schema import (
    BreakdownSchema,
    EventSummarySchema,
    ExportSchema,
    OverviewSchema,
    TimeseriesSchema,
    TopEventsSchema,
    UserSchema,
    UserStatsSchema,
)
from webapp.analytics.summaries import DEVICES, MAX_RECENT
from webapp.analytics.timeseries import MAX_DAYS_BY_HOUR, MAX_POINTS
from webapp.api_docs.operation import (
    BY_SESSION,
    BY_SESSION_TO_CHANGE,
    Answer,
    Operation,
    by_key,
    json_answer,
)
from webapp.errors import NotFound, ValidationFailed

TAG = "Analytics: asking"
_COUNT: JsonObject = {"type": "integer", "minimum": 0}
_TEXT: JsonObject = {"type": ["string", "null"]}
_TIME: JsonObject = {"type": ["string", "null"], "format": "date-time"}
_USERS: JsonObject = {
    "type": ["integer", "null"],
    "minimum": 0,
    "description": "Null where bots are counted too.",
}
_DAY: JsonObject = {"type": ["string", "null"], "format": "date"}
_RANGE: JsonObject = {"startDate": _DAY, "endDate": _DAY}
_RANGE_TOLD: JsonObject = {"startDate": "2026-05-01", "endDate": "2026-05-31"}

Properties: TypeAlias = Mapping[str, JsonValue]


def _object(properties: Properties, *but: str) -> JsonObject:
    """Return the schema of an object that has all of ``properties``, ``but`` some it may have."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in but],
        "properties": dict(properties),
    }


_COUNTED = _object({"event": {"type": "string"}, "count": _COUNT, "uniqueUsers": _USERS})
_POINT = _object({"at": {"type": "string"}, "count": _COUNT, "uniqueUsers": _USERS}, "uniqueUsers")
_SUMMARY = _object(
    {
        "event": {"type": "string"},
        "count": _COUNT,
        "uniqueUsers": _USERS,
        "deviceData": _object(dict.fromkeys(DEVICES, _COUNT)),
        "excludedBots": _COUNT,
        **_RANGE,
    }
)
_TOP = _object({"events": {"type": "array", "items": _COUNTED}, "excludedBots": _COUNT, **_RANGE})
_OVERVIEW = _object(
    {
        "event": {**_TEXT, "description": "Null: all together."},
        "count": _COUNT,
        "uniqueUsers": _USERS,
        "excludedBots": _COUNT,
        **_RANGE,
    }
)
_BREAKDOWN = _object(
    {
        "by": {"enum": [str(by) for by in By]},
        "event": _TEXT,
        "values": {
            "type": "array",
            "items": _object(
                {"value": {**_TEXT, "description": "Null: hits without one."}, "count": _COUNT}
            ),
        },
        "counted": _COUNT,
        "isComplete": {"type": "boolean", "description": "Whether all hits were looked at."},
        **_RANGE,
    }
)
_SERIES = _object(
    {
        "interval": {"enum": ["hour", "day"]},
        "timeZone": {**_TEXT, "description": "Null where apps of several zones are asked about."},
        "series": {
            "type": "array",
            "items": _object({"event": _TEXT, "points": {"type": "array", "items": _POINT}}),
        },
        "excludedBots": _COUNT,
        **_RANGE,
    }
)
_RECENT = _object(
    {
        "appId": {"type": "string"},
        "messageId": {"type": "string"},
        "event": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        **dict.fromkeys(("url", "referrer", "device", "browser", "os", "sessionId"), _TEXT),
    }
)
_STATS = _object(
    {
        "userId": {"type": "string"},
        "totalEvents": _COUNT,
        "deviceDetails": _object({"browser": _TEXT, "os": _TEXT}),
        "ipAddress": _TEXT,
        "firstEvent": _TIME,
        "lastEvent": _TIME,
        "recentEvents": {"type": "array", "maxItems": MAX_RECENT, "items": _RECENT},
        "excludedBots": _COUNT,
    }
)


def _question(
    name: str,
    summary: str,
    query: type[Schema],
    answer: Answer,
    *,
    description: str = "",
    required_examples: Mapping[str, str] | None = None,
) -> Operation:
    return Operation(
        id=name.replace("-", "_"),
        method="get",
        path=f"/analytics/{name}",
        tag=TAG,
        summary=summary,
        description=(
            "By an API key about its app; by who is signed in about all of their apps, or the one"
            f" that `app_id` names. {description}"
        ).strip(),
        security=(*by_key(Scope.READ), *BY_SESSION),
        query=query,
        required_examples=required_examples or {},
        answers={200: answer},
        refusals=(NotFound, ValidationFailed),
    )


ANALYTICS = (
    _question(
        "event-summary",
        "Count an event, its users and their devices",
        EventSummarySchema,
        json_answer(
            "The counts.",
            _SUMMARY,
            {
                "event": "checkout",
                "count": 3400,
                "uniqueUsers": 1200,
                "deviceData": {"mobile": 2200, "desktop": 1100, "tablet": 90, "other": 10},
                "excludedBots": 41,
                **_RANGE_TOLD,
            },
        ),
        required_examples={"event": "login_form_cta_click"},
    ),
    _question(
        "top-events",
        "List the most frequent events",
        TopEventsSchema,
        json_answer(
            "The most frequent first.",
            _TOP,
            {
                "events": [{"event": "checkout", "count": 3400, "uniqueUsers": 1200}],
                "excludedBots": 41,
                **_RANGE_TOLD,
            },
        ),
    ),
    _question(
        "overview",
        "Count all events, or one, and their users",
        OverviewSchema,
        json_answer(
            "The counts.",
            _OVERVIEW,
            {
                "event": None,
                "count": 9100,
                "uniqueUsers": 1900,
                "excludedBots": 80,
                **_RANGE_TOLD,
            },
        ),
    ),
    _question(
        "breakdown",
        "Count by device, browser, system, page or referrer",
        BreakdownSchema,
        json_answer(
            "The most frequent first.",
            _BREAKDOWN,
            {
                "by": "browser",
                "event": None,
                "values": [{"value": "Firefox", "count": 4200}, {"value": None, "count": 31}],
                "counted": 4231,
                "isComplete": True,
                **_RANGE_TOLD,
            },
        ),
        description=f"But for devices it looks at the newest {MAX_HITS} hits of the range.",
        required_examples={"by": "browser"},
    ),
    _question(
        "timeseries",
        "Count by day or by hour",
        TimeseriesSchema,
        json_answer(
            "A series for each event that is named; one of all where none is.",
            _SERIES,
            {
                "interval": "day",
                "timeZone": "UTC",
                "series": [
                    {
                        "event": "checkout",
                        "points": [{"at": "2026-05-01", "count": 110, "uniqueUsers": 60}],
                    }
                ],
                "excludedBots": 0,
                "startDate": "2026-05-01",
                "endDate": "2026-05-01",
            },
        ),
        description=(
            f"By hour up to {MAX_DAYS_BY_HOUR} days; all series together have up to"
            f" {MAX_POINTS} points."
        ),
        required_examples={"interval": "day"},
    ),
    _question(
        "user-stats",
        "See what one user did",
        UserStatsSchema,
        json_answer(
            "What is known of the user.",
            _STATS,
            {
                "userId": "user789",
                "totalEvents": 1,
                "deviceDetails": {"browser": "Chrome", "os": "Android"},
                "ipAddress": "203.0.113.0",
                "firstEvent": "2026-05-25T12:00:00.250Z",
                "lastEvent": "2026-05-25T12:00:00.250Z",
                "recentEvents": [],
                "excludedBots": 0,
            },
        ),
        required_examples={"userId": "user789"},
    ),
    _question(
        "export",
        "Download the hits",
        ExportSchema,
        Answer(
            "The hits, oldest first.",
            {media.partition(";")[0]: {"type": "string"} for media in CONTENT_TYPES.values()},
            headers={"Content-Disposition": "A name for the file."},
        ),
    ),
    Operation(
        id="erase_user",
        method="delete",
        path="/analytics/users",
        tag=TAG,
        summary="Erase a user",
        description=(
            "Deletes the user's hits, for about five seconds: where `isComplete` is false, call"
            " again. No API key may."
        ),
        security=BY_SESSION_TO_CHANGE,
        query=UserSchema,
        required_examples={"userId": "user789"},
        answers={
            200: json_answer(
                "How many were deleted.",
                _object({"deletedHits": _COUNT, "isComplete": {"type": "boolean"}}),
                {"deletedHits": 12, "isComplete": True},
            )
        },
        refusals=(NotFound, ValidationFailed),
    ),
)
