"""Room tokens, and who is there."""

from logger_lib import JsonObject
from webapp.access.room_tokens import DEFAULT_TTL, PREFIX
from webapp.access.scopes import Scope
from webapp.api_docs.field_limits import BY_VALIDATOR
from webapp.api_docs.operation import Answer, Body, Operation, by_key, json_answer
from webapp.api_docs.operations.events import UNREACHED
from webapp.errors import MalformedBody, NotFound, UnsupportedMedia, ValidationFailed
from webapp.names import publishable_name
from webapp.presence.views import DEFAULT_LIMIT, RoomsSchema, SocketsSchema

TAG = "Rooms"
_COUNT: JsonObject = {"type": "integer", "minimum": 0}
_NEXT: JsonObject = {"type": ["string", "null"], "description": "The `after` of the next page."}
_ROOM: JsonObject = {
    "name": "room",
    "in": "path",
    "required": True,
    "description": "Escaped, as in any URL: `a/b` is `a%2Fb`.",
    "schema": {
        "type": "string",
        **BY_VALIDATOR[publishable_name],
        # What is called so is another path before it is sent.
        "not": {"enum": [".", ".."]},
    },
    "example": "orders",
}
_ROOMS: JsonObject = {
    "type": "object",
    "required": ["sockets", "rooms", "next"],
    "properties": {
        "sockets": {**_COUNT, "description": "All of the app, in rooms or not."},
        "rooms": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["room", "sockets"],
                "properties": {"room": {"type": "string"}, "sockets": _COUNT},
            },
        },
        "next": _NEXT,
        "unreached": UNREACHED,
    },
}
_SOCKETS: JsonObject = {
    "type": "object",
    "required": ["room", "count", "sockets", "next"],
    "properties": {
        "room": {"type": "string"},
        "count": _COUNT,
        "sockets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["sid", "host", "since", "subject"],
                "properties": {
                    "sid": {"type": "string"},
                    "host": {"type": "string"},
                    "since": {"type": "string", "format": "date-time"},
                    "subject": {
                        "type": ["string", "null"],
                        "description": "That of the socket's room token.",
                    },
                },
            },
        },
        "next": _NEXT,
        "unreached": UNREACHED,
    },
}
_SID = "kAWGFBFSUGrQzfJ6AAAB"
_CONNECTED: JsonObject = {
    "type": "object",
    "required": ["count", "sockets", "next"],
    "properties": {
        "count": _COUNT,
        "sockets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["sid", "host", "connectedAt", "subject", "rooms"],
                "properties": {
                    "sid": {"type": "string"},
                    "host": {"type": "string"},
                    "connectedAt": {"type": "string", "format": "date-time"},
                    "subject": {
                        "type": ["string", "null"],
                        "description": "That of the socket's room token.",
                    },
                    "rooms": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "next": _NEXT,
        "unreached": UNREACHED,
    },
}
_TOKEN: JsonObject = {
    "type": "object",
    "required": ["token", "expiresAt", "rooms"],
    "properties": {
        "token": {"type": "string", "pattern": f"^{PREFIX}"},
        "expiresAt": {"type": "string", "format": "date-time"},
        "rooms": {"type": "array", "items": {"type": "string"}},
    },
}

ROOMS = (
    Operation(
        id="issue_room_token",
        method="post",
        path="/tokens",
        tag=TAG,
        summary="Make a room token for a client",
        description=(
            "A browser connects its socket with it, and may join just these rooms; `a.*` are all"
            f" whose names begin with `a.`. Good for `ttl` seconds, {DEFAULT_TTL} where none are"
            " given. The names may have 32,768 characters together, as the token has."
        ),
        security=by_key(Scope.SUBSCRIBE),
        body=Body(
            {"$ref": "#/components/schemas/RoomTokenWanted"},
            {
                "for a customer": {
                    "rooms": ["orders", "customer-7.*"],
                    "subject": "customer-7",
                    "ttl": 900,
                }
            },
        ),
        answers={
            201: json_answer(
                "The token.",
                _TOKEN,
                {
                    "token": f"{PREFIX}eyJhbGciOiJIUzI1NiIs…",
                    "expiresAt": "2026-05-25T12:15:00Z",
                    "rooms": ["orders", "customer-7.*"],
                },
            )
        },
        refusals=(MalformedBody, UnsupportedMedia, ValidationFailed),
    ),
    Operation(
        id="list_rooms",
        method="get",
        path="/rooms",
        tag=TAG,
        summary="List the rooms, and how many sockets are in each",
        description=f"On all hosts, sorted by name, {DEFAULT_LIMIT} where no `limit` is given.",
        security=by_key(Scope.READ),
        query=RoomsSchema,
        answers={
            200: json_answer(
                "A page.",
                _ROOMS,
                {"sockets": 120, "rooms": [{"room": "orders", "sockets": 3}], "next": None},
            )
        },
        refusals=(ValidationFailed,),
    ),
    Operation(
        id="list_sockets_in_room",
        method="get",
        path="/rooms/{room}/sockets",
        tag=TAG,
        summary="List the sockets in a room",
        security=by_key(Scope.READ),
        parameters=(_ROOM,),
        query=SocketsSchema,
        answers={
            200: json_answer(
                "A page; a room in which nobody is has none.",
                _SOCKETS,
                {
                    "room": "orders",
                    "count": 1,
                    "sockets": [
                        {
                            "sid": _SID,
                            "host": "5f0c1a9e",
                            "since": "2026-05-25T12:00:00.000000Z",
                            "subject": "customer-7",
                        }
                    ],
                    "next": None,
                },
            )
        },
        refusals=(ValidationFailed,),
    ),
    Operation(
        id="list_sockets",
        method="get",
        path="/sockets",
        tag=TAG,
        summary="List all sockets of the app, with their rooms",
        security=by_key(Scope.READ),
        query=SocketsSchema,
        answers={
            200: json_answer(
                "A page.",
                _CONNECTED,
                {
                    "count": 1,
                    "sockets": [
                        {
                            "sid": _SID,
                            "host": "5f0c1a9e",
                            "connectedAt": "2026-05-25T12:00:00.000000Z",
                            "subject": "customer-7",
                            "rooms": ["orders"],
                        }
                    ],
                    "next": None,
                },
            )
        },
        refusals=(ValidationFailed,),
    ),
    Operation(
        id="disconnect_socket",
        method="delete",
        path="/sockets/{sid}",
        tag=TAG,
        summary="Disconnect a socket",
        description=(
            "On whichever host it is. Its client hears why, and does not come back itself."
            " Ids are in the answer to `GET /sockets`: the one of the example is nobody's."
        ),
        security=by_key(Scope.SUBSCRIBE, Scope.READ),
        parameters=(
            {
                "name": "sid",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"},
                "example": _SID,
            },
        ),
        answers={204: Answer("It is ended.")},
        refusals=(NotFound,),
    ),
)
