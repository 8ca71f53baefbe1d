"""The OpenAPI document: made from the schemas that the views load with, once, when first asked."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

from apispec import APISpec
from marshmallow import Schema

from logger_lib import JsonObject
from webapp.access.owner_schema import AppSchema, KeySchema, RevocationSchema
from webapp.access.token_views import TokenSchema
from webapp.api_docs.field_limits import JSON_OBJECT, JSON_VALUE
from webapp.api_docs.operation import Operation
from webapp.api_docs.operations import OPERATIONS
from webapp.api_docs.operations.collect import HIT_BATCH
from webapp.api_docs.operations.events import STORED
from webapp.api_docs.refusals import ERROR
from webapp.api_docs.schemas import OPENAPI_VERSION, json_schema_of, parameters_of
from webapp.collect.policy_change import PolicySchema
from webapp.collect.schema import HitSchema
from webapp.events.schema import EventSchema
from webapp.users.sessions import CSRF_HEADER

SCHEMAS: Mapping[str, type[Schema]] = {
    "Event": EventSchema,
    "RoomTokenWanted": TokenSchema,
    "Hit": HitSchema,
    "App": AppSchema,
    "KeyWanted": KeySchema,
    "KeyNamed": RevocationSchema,
    "PolicyChange": PolicySchema,
}
"""What bodies are loaded with, by the names that they have in the document."""

_OTHERS: Mapping[str, JsonObject] = {
    "JsonObject": JSON_OBJECT,
    "JsonValue": JSON_VALUE,
    "StoredEvent": STORED,
    "HitBatch": HIT_BATCH,
    "Error": ERROR,
}

_SECURITY: Mapping[str, JsonObject] = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of the scope that the operation names: `make key` prints one.",
    },
    "apiKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, where `Authorization` is taken.",
    },
    "keyInAddress": {
        "type": "apiKey",
        "in": "query",
        "name": "key",
        "description": "A key that may do nothing but `collect`: beacons send no headers.",
    },
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Who is signed in: `token` of `GET /auth/profile`, good for an hour.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "herald",
        "description": "Who is signed in, in a browser. Over HTTPS it is `__Host-herald`.",
    },
    "metricsToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "What `METRICS_TOKEN` is set to.",
    },
    "csrfToken": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": (
            "`csrfToken` of `GET /auth/profile`: a call by cookie that changes anything brings it"
            " along."
        ),
    },
}

_ABOUT = """\
Post an event from any service: every browser in the room gets it, at once, by Socket.IO
([what a socket hears and says](api-docs/socketio)). Every refused call gets
`{"error": {"code", "message", "fields"?}}`, and the message tells the next step. A body is JSON in
UTF-8 of up to 1 MiB, nested up to 64 deep.

**Authorize** takes an API key (`make key` prints one), or the user token of who is signed in; who
is signed in with this browser needs neither to read. To change anything by cookie, give the
`csrfToken` of `GET /auth/profile`."""


@cache
def openapi_document() -> JsonObject:
    """Return the document, whose addresses are those of where it came from."""
    document = APISpec(
        title="Herald",
        version="1",
        openapi_version=OPENAPI_VERSION,
        info={"description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "/"}],
    )
    for name, schema in SCHEMAS.items():
        document.components.schema(name, json_schema_of(schema))
    for name, described in _OTHERS.items():
        document.components.schema(name, described)
    for name, scheme in _SECURITY.items():
        document.components.security_scheme(name, scheme)
    for operation in OPERATIONS:
        written = operation.to_openapi(_query_parameters(operation))
        document.path(operation.path, operations={operation.method: written})
    return cast("JsonObject", document.to_dict())


def _query_parameters(operation: Operation) -> Sequence[JsonObject]:
    if operation.query is None:
        return []
    parameters = parameters_of(operation.query)
    for parameter in parameters:
        example = operation.required_examples.get(str(parameter["name"]))
        if example is not None:
            parameter["example"] = example
    return parameters
