"""What a socket says and hears: each message with its shape and an example."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from logger_lib import JsonObject, JsonValue
from webapp.api_docs.field_limits import BY_VALIDATOR
from webapp.api_docs.schemas import json_schema_of
from webapp.collect.live import HIT_EVENT, MAX_METADATA
from webapp.collect.live import SHOWN_A_SECOND as HITS_A_SECOND
from webapp.events.live import LIVE_EVENT, MAX_DATA
from webapp.events.live import SHOWN_A_SECOND as EVENTS_A_SECOND
from webapp.events.schema import JoinSchema
from webapp.names import EVENTS_ROOM, HITS_ROOM, PRESENCE, plain_name
from webapp.presence.watching import JOINED, LEFT
from webapp.realtime.arguments import RefreshSchema
from webapp.realtime.parting import DISCONNECTED, ENDED, KEY_REVOKED, TOKEN_EXPIRED
from webapp.realtime.recovery import RECOVERY

SID = "kAWGFBFSUGrQzfJ6AAAB"
_EVENT_ID = "01a200dc-06c6-74c5-8373-25b3767662b3"
_TEXT: JsonObject = {"type": "string"}
_TEXT_OR_NULL: JsonObject = {"type": ["string", "null"]}
_ERROR: JsonObject = {"$ref": "#/components/schemas/Error"}
_LEFT_OUT: JsonObject = {
    "type": "integer",
    "minimum": 0,
    "description": "How many were left out since the one before.",
}


class Channel(StrEnum):
    """What a message is in: the connection, or a room of it."""

    CONNECTION = "connection"
    ROOMS = "rooms"
    PRESENCE = "presence"
    HITS = "hits"
    EVENTS = "events"


ADDRESSES: Mapping[Channel, str] = {
    Channel.CONNECTION: "/",
    Channel.ROOMS: "{room}",
    Channel.PRESENCE: PRESENCE + "{room}",
    Channel.HITS: HITS_ROOM,
    Channel.EVENTS: EVENTS_ROOM,
}
"""AsyncAPI's word for what Socket.IO has as its namespace, and as rooms."""

ABOUT_CHANNELS: Mapping[Channel, str] = {
    Channel.CONNECTION: "What each socket says and hears, whatever rooms it is in.",
    Channel.ROOMS: "The rooms of the app that a socket joins; without a room: all its sockets.",
    Channel.PRESENCE: (
        "Who joins and leaves a room. For a key of scope `read`, or a room token that was made with"
        " one and names it."
    ),
    Channel.HITS: (
        f"Hits as they come, at most {HITS_A_SECOND} a second of an app. For a key of scope"
        " `read`, or a room token that was made with one and names it."
    ),
    Channel.EVENTS: (
        f"Events as they are published, at most {EVENTS_A_SECOND} a second of an app on each host."
        " For a key of scope `read`, or a room token that was made with one and names it."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: what it is called, in which channel, and what it carries."""

    name: str
    """As Socket.IO has it."""
    channel: Channel
    summary: str
    description: str = ""
    payload: JsonObject
    example: JsonValue
    acknowledgement: JsonObject | None = None
    acknowledged: JsonValue = None
    """An example of it."""


def _object(properties: Mapping[str, JsonValue], *but: str) -> JsonObject:
    """Return the schema of an object that has all of ``properties``, ``but`` some it may have."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in but],
        "properties": dict(properties),
    }


def _acknowledged(**more: JsonValue) -> JsonObject:
    return {"oneOf": [_object({"ok": {"const": True}, **more}), _ERROR]}


_ROOM_JOINED = _acknowledged(room=_TEXT)
_JOIN: JsonObject = {
    **json_schema_of(JoinSchema),
    "properties": {"room": {"type": "string", **BY_VALIDATOR[plain_name]}},
}
_WHO: Mapping[str, JsonValue] = {
    "room": _TEXT,
    "sid": _TEXT,
    "subject": {**_TEXT_OR_NULL, "description": "That of the socket's room token."},
    "host": _TEXT,
}
_WHO_TOLD: JsonObject = {
    "room": "orders",
    "sid": SID,
    "subject": "customer-7",
    "host": "5f0c1a9e",
}

SAID: Mapping[str, Message] = {
    "connect": Message(
        name="connect",
        channel=Channel.CONNECTION,
        summary="Connect",
        description=(
            "`io(url, {auth: {token}})`. The token is an API key of scope `subscribe`, or a room"
            " token. Refused, the client hears `connect_error`, whose `data` is the error; with"
            " 429 and 503 it says `retryAfter`, in seconds. With `recovery: true` a client that"
            " loses its connection gets what it missed when it is back."
        ),
        payload=_object(
            {
                "token": _TEXT,
                "recovery": {"type": "boolean"},
                "pid": {**_TEXT, "description": "Sent by clients that come back."},
                "offset": {**_TEXT, "description": "Sent by clients that come back."},
            },
            *("token", "recovery", "pid", "offset"),
        ),
        example={"token": "herald_room_eyJhbGciOiJIUzI1NiIs…", "recovery": True},
        acknowledgement=_object(
            {"sid": _TEXT, "pid": {**_TEXT, "description": "With `recovery` alone."}}, "pid"
        ),
        acknowledged={"sid": SID, "pid": "c2VjcmV0IG5hbWU"},
    ),
    "join": Message(
        name="join",
        channel=Channel.CONNECTION,
        summary="Join a room",
        description="With a room token just those that it allows. Up to 100 rooms of a socket.",
        payload=_JOIN,
        example={"room": "orders"},
        acknowledgement=_ROOM_JOINED,
        acknowledged={"ok": True, "room": "orders"},
    ),
    "leave": Message(
        name="leave",
        channel=Channel.CONNECTION,
        summary="Leave a room",
        payload=_JOIN,
        example={"room": "orders"},
        acknowledgement=_ROOM_JOINED,
        acknowledged={"ok": True, "room": "orders"},
    ),
    "refresh": Message(
        name="refresh",
        channel=Channel.CONNECTION,
        summary="Go on with another room token",
        description=(
            "Of the same app and subject, before the one that the socket has is over. The socket is"
            " taken out of the rooms that the new one does not allow."
        ),
        payload=json_schema_of(RefreshSchema),
        example={"token": "herald_room_eyJhbGciOiJIUzI1NiIs…"},
        acknowledgement=_acknowledged(
            expiresAt={"type": "string", "format": "date-time"},
            left={"type": "array", "items": _TEXT},
        ),
        acknowledged={"ok": True, "expiresAt": "2026-05-25T12:30:00Z", "left": []},
    ),
}
"""By the client."""

HEARD: Mapping[str, Message] = {
    "published": Message(
        name="order.created",
        channel=Channel.ROOMS,
        summary="An event, under the name that it was published by",
        description=(
            '`socket.on("order.created", (data) => …)`: the `data` of `POST /events`, as it is.'
            " With `recovery` there is one more argument, the offset."
        ),
        payload={"$ref": "#/components/schemas/JsonObject"},
        example={"orderId": "cfa3f520", "amount": 100},
    ),
    "recoveryBegun": Message(
        name=RECOVERY,
        channel=Channel.CONNECTION,
        summary="The first event of a session that can be recovered",
        payload=_object({"seconds": {"type": "integer", "minimum": 1}}),
        example={"seconds": 120},
    ),
    "ended": Message(
        name=ENDED,
        channel=Channel.CONNECTION,
        summary="The socket is ended for good, and why",
        description=(
            f"The code is `{KEY_REVOKED}`, `{TOKEN_EXPIRED}` or `{DISCONNECTED}`. The disconnect"
            " follows, after which clients do not come back by themselves."
        ),
        payload=_ERROR,
        example={
            "error": {
                "code": TOKEN_EXPIRED,
                "message": "the room token has expired: connect with another",
            }
        },
    ),
    "joined": Message(
        name=JOINED,
        channel=Channel.PRESENCE,
        summary="A socket has joined the room",
        payload=_object(_WHO),
        example=_WHO_TOLD,
    ),
    "left": Message(
        name=LEFT,
        channel=Channel.PRESENCE,
        summary="A socket has left the room, or has ended",
        payload=_object(_WHO),
        example=_WHO_TOLD,
    ),
    "hit": Message(
        name=HIT_EVENT,
        channel=Channel.HITS,
        summary="A hit was taken in",
        description=f"`metadata` of more than {MAX_METADATA} bytes are null.",
        payload=_object(
            {
                "messageId": _TEXT,
                "event": _TEXT,
                "timestamp": {"type": "string", "format": "date-time"},
                **dict.fromkeys(
                    ("url", "referrer", "device", "ipAddress", "userId", "sessionId"),
                    _TEXT_OR_NULL,
                ),
                "metadata": {"type": ["object", "null"]},
                "leftOut": _LEFT_OUT,
            }
        ),
        example={
            "messageId": "m-1",
            "event": "login_form_cta_click",
            "timestamp": "2026-05-25T12:00:00.250Z",
            "url": "https://example.com/page",
            "referrer": None,
            "device": "mobile",
            "ipAddress": "203.0.113.0",
            "userId": "user789",
            "sessionId": None,
            "metadata": None,
            "leftOut": 0,
        },
    ),
    "event": Message(
        name=LIVE_EVENT,
        channel=Channel.EVENTS,
        summary="An event was published in the app",
        description=f"`data` of more than {MAX_DATA} bytes are null.",
        payload=_object(
            {
                "id": _TEXT,
                "event": _TEXT,
                "rooms": {"type": "array", "items": _TEXT},
                "data": {"type": ["object", "null"]},
                "recipients": {"type": "integer", "minimum": 0},
                "unreached": {
                    "type": "array",
                    "items": _TEXT,
                    "description": "Hosts, as in the 202.",
                },
                "at": {"type": "string", "format": "date-time"},
                "leftOut": _LEFT_OUT,
            },
            "unreached",
        ),
        example={
            "id": _EVENT_ID,
            "event": "order.created",
            "rooms": ["orders"],
            "data": {"orderId": "cfa3f520", "amount": 100},
            "recipients": 1,
            "at": "2026-05-25T12:00:00.250Z",
            "leftOut": 0,
        },
    ),
}
"""By the client, from Herald."""
