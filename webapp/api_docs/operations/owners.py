"""Apps and their keys, for who is signed in."""

from logger_lib import JsonObject, JsonValue
from webapp.access.owner_schema import AppNameSchema
from webapp.access.scopes import Scope
from webapp.access.tokens import PREFIX
from webapp.api_docs.operation import (
    BY_SESSION,
    BY_SESSION_TO_CHANGE,
    Body,
    Operation,
    json_answer,
)
from webapp.errors import (
    AppNameTaken,
    LimitReached,
    MalformedBody,
    NotFound,
    TimeZoneFixed,
    UnsupportedMedia,
    ValidationFailed,
)

TAG = "Apps and keys"
APP_ID = "01a200dc-06c6-74c5-8373-25b3767662b4"
KEY_ID = "01a200dc-06c6-74c5-8373-25b3767662b5"
_SCOPES: list[JsonValue] = [str(scope) for scope in Scope]
_TIME: JsonObject = {"type": ["string", "null"], "format": "date-time"}
_APP: JsonObject = {
    "type": "object",
    "required": ["id", "appName", "appUrl", "timeZone", "createdAt"],
    "properties": {
        "id": {"type": "string"},
        "appName": {"type": "string"},
        "appUrl": {"type": "string"},
        "timeZone": {"type": "string", "description": "Of its days."},
        "createdAt": {"type": "string", "format": "date-time"},
    },
}
_KEY: JsonObject = {
    "type": "object",
    "required": [
        *("id", "prefix", "lastFour", "scopes", "name"),
        *("createdAt", "expiresAt", "lastUsedAt", "revokedAt"),
    ],
    "properties": {
        "id": {"type": "string"},
        "prefix": {"const": PREFIX},
        "lastFour": {"type": "string"},
        "scopes": {"type": "array", "items": {"enum": _SCOPES}},
        "name": {"type": "string"},
        "createdAt": _TIME,
        "expiresAt": _TIME,
        "lastUsedAt": _TIME,
        "revokedAt": _TIME,
    },
}
_POLICY: JsonObject = {
    "type": "object",
    "required": ["timeZone", "keepsAddresses", "retentionDays"],
    "properties": {
        "timeZone": {"type": "string"},
        "keepsAddresses": {"type": "boolean"},
        "retentionDays": {"type": ["integer", "null"], "description": "Null: for ever."},
    },
}
_APP_TOLD: JsonObject = {
    "id": APP_ID,
    "appName": "site",
    "appUrl": "https://example.com",
    "timeZone": "UTC",
    "createdAt": "2026-05-25T12:00:00Z",
}
_KEY_TOLD: JsonObject = {
    "id": KEY_ID,
    "prefix": PREFIX,
    "lastFour": "k3Ow",
    "scopes": ["publish"],
    "name": "",
    "createdAt": "2026-05-25T12:00:00Z",
    "expiresAt": None,
    "lastUsedAt": None,
    "revokedAt": None,
}
_POLICY_TOLD: JsonObject = {"timeZone": "UTC", "keepsAddresses": False, "retentionDays": None}
_APP_ID: JsonObject = {
    "name": "app_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f-]{1,36}$"},
    "example": APP_ID,
}
_READING_JSON = (MalformedBody, UnsupportedMedia, ValidationFailed)


def _of_one(name: str, schema: JsonObject) -> JsonObject:
    return {"type": "object", "required": [name], "properties": {name: schema}}


def _of_many(name: str, schema: JsonObject) -> JsonObject:
    return _of_one(name, {"type": "array", "items": schema})


OWNERS = (
    Operation(
        id="register_app",
        method="post",
        path="/auth/register",
        tag=TAG,
        summary="Register an app",
        security=BY_SESSION_TO_CHANGE,
        body=Body(
            {"$ref": "#/components/schemas/App"},
            {"an app": {"appName": "site", "appUrl": "https://example.com"}},
        ),
        answers={201: json_answer("The app.", _of_one("app", _APP), {"app": _APP_TOLD})},
        refusals=(*_READING_JSON, AppNameTaken, LimitReached),
    ),
    Operation(
        id="list_apps",
        method="get",
        path="/auth/apps",
        tag=TAG,
        summary="List your apps",
        security=BY_SESSION,
        answers={200: json_answer("Oldest first.", _of_many("apps", _APP), {"apps": [_APP_TOLD]})},
    ),
    Operation(
        id="issue_key",
        method="post",
        path="/auth/api-key",
        tag=TAG,
        summary="Issue an API key",
        description="The answer has the key itself, this once.",
        security=BY_SESSION_TO_CHANGE,
        body=Body(
            {"$ref": "#/components/schemas/KeyWanted"},
            {"a key": {"appName": "site", "scopes": ["publish"], "expiresInDays": 90}},
        ),
        answers={
            201: json_answer(
                "The key.",
                {
                    "type": "object",
                    "required": ["apiKey", "key"],
                    "properties": {
                        "apiKey": {"type": "string", "pattern": f"^{PREFIX}"},
                        "key": _KEY,
                    },
                },
                {"apiKey": f"{PREFIX}eyJhbGciOiJIUzI1NiIs…", "key": _KEY_TOLD},
            )
        },
        refusals=(*_READING_JSON, NotFound, LimitReached),
    ),
    Operation(
        id="list_keys",
        method="get",
        path="/auth/api-key",
        tag=TAG,
        summary="List the keys of an app",
        security=BY_SESSION,
        query=AppNameSchema,
        required_examples={"appName": "site"},
        answers={
            200: json_answer("The keys.", _of_many("keys", _KEY), {"keys": [_KEY_TOLD]}),
        },
        refusals=(NotFound, ValidationFailed),
    ),
    Operation(
        id="revoke_key",
        method="post",
        path="/auth/revoke",
        tag=TAG,
        summary="Revoke a key",
        description="Named by itself (`apiKey`) or by its `id`. It is refused within two seconds.",
        security=BY_SESSION_TO_CHANGE,
        body=Body(
            {
                "allOf": [
                    {"$ref": "#/components/schemas/KeyNamed"},
                    {"minProperties": 1, "maxProperties": 1},
                ]
            },
            {"by its id": {"id": KEY_ID}},
        ),
        answers={200: json_answer("The key.", _of_one("key", _KEY), {"key": _KEY_TOLD})},
        refusals=(*_READING_JSON, NotFound),
    ),
    Operation(
        id="show_policy",
        method="get",
        path="/auth/apps/{app_id}/analytics",
        tag=TAG,
        summary="See how an app has its hits kept",
        security=BY_SESSION,
        parameters=(_APP_ID,),
        answers={200: json_answer("How.", _POLICY, _POLICY_TOLD)},
        refusals=(NotFound,),
    ),
    Operation(
        id="change_policy",
        method="patch",
        path="/auth/apps/{app_id}/analytics",
        tag=TAG,
        summary="Change how an app has its hits kept",
        description="What is absent stays as it is. The time zone stays once there are hits.",
        security=BY_SESSION_TO_CHANGE,
        parameters=(_APP_ID,),
        body=Body(
            {"allOf": [{"$ref": "#/components/schemas/PolicyChange"}, {"minProperties": 1}]},
            {"for a year": {"retentionDays": 365}},
        ),
        answers={200: json_answer("How it is now.", _POLICY, _POLICY_TOLD)},
        refusals=(*_READING_JSON, NotFound, TimeZoneFixed),
    ),
)
