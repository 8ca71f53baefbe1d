"""Room tokens: short-lived, for one client, for named rooms; made and checked without a query."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from marshmallow import ValidationError

from logger_lib.ids import uuid7
from logger_lib.json_value import JsonObject, JsonValue
from webapp.access.gate import Caller, Gate
from webapp.access.scopes import Scope
from webapp.errors import Unauthorized, ValidationFailed
from webapp.names import plain_name
from webapp.signed_token import TokenInvalid, TokenSigner

PREFIX = "herald_room_"
"""What tells a room token from an API key before anything is verified."""

DEFAULT_TTL, MAX_TTL = 3_600, 86_400
"""Seconds."""

ANYTHING = "*"
"""At the end of a pattern: whatever a room's name goes on with."""

LONGEST = 32_768
"""Characters of a token; a client's message has room for twice that."""

_KIND = "herald-room+jwt"
_PURPOSE = b"herald: room tokens, version 1"

_REFUSAL = (
    "This room token is not good, or not any more: have your service ask for another one with"
    " POST /tokens."
)


class RoomTokenInvalid(TokenInvalid):
    """A text is not a room token that was signed here, or its time is over."""


@dataclass(frozen=True, slots=True)
class RoomClaims:
    """What a room token says: who may join which rooms until when. Times are Unix seconds."""

    id: str
    key_id: str
    """The key that it was made with, and ends with."""

    app_id: str
    subject: str | None
    """For whom it was made, in the words of the app."""

    rooms: tuple[str, ...]
    """Names, and patterns: see ``allows``."""

    issued_at: int
    expires_at: int

    @property
    def expiry_text(self) -> str:
        """When the token ends, in UTC as ISO 8601 has it."""
        return f"{datetime.fromtimestamp(self.expires_at, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def allows(self, room: str) -> bool:
        """Say whether ``room`` may be joined.

        A name allows the room of just that name. A pattern, which ends in ``*``, allows every room
        whose name begins with what stands before it, character by character: ``order.*`` allows
        ``order.7``, ``order.7.items`` and ``order.``, but neither ``order`` nor ``Order.7``.
        """
        return any(
            room.startswith(name[:-1]) if name.endswith(ANYTHING) else room == name
            for name in self.rooms
        )


def room_or_pattern(value: str) -> None:
    """Raise ``ValidationError`` unless ``value`` is the name of a room, or a pattern of names.

    A ``*`` elsewhere than at the end is refused, so that nobody takes it for a part of a pattern.
    """
    plain_name(value)
    if value == ANYTHING:
        raise ValidationError("Must have a character before the *: there is no token for all.")
    if ANYTHING in value[:-1]:
        raise ValidationError("May have a * at its end alone.")


class RoomTokenSigner:
    """Makes and checks room tokens, with a key of their own."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._signer = TokenSigner(
            secret,
            prefix=PREFIX,
            kind=_KIND,
            purpose=_PURPOSE,
            longest=LONGEST,
            refusal=RoomTokenInvalid,
        )
        self._clock = clock

    def sign(self, claims: RoomClaims) -> str:
        """Return the token for ``claims``: ``herald_room_`` and a JWT."""
        payload: JsonObject = {
            "jti": claims.id,
            "key": claims.key_id,
            "app": claims.app_id,
            "rooms": list(claims.rooms),
            "iat": claims.issued_at,
            "exp": claims.expires_at,
        }
        if claims.subject is not None:
            payload["sub"] = claims.subject
        return self._signer.sign(payload)

    def verify(self, token: str) -> RoomClaims:
        """Return what ``token`` says; raises ``RoomTokenInvalid`` unless all of it is right."""
        claims = _claims_of(self._signer.open(token))
        if claims.expires_at <= self._clock():
            raise RoomTokenInvalid("expired")
        return claims


class RoomTokens:
    """The room tokens of all apps: made with a key, and admitted for as long as that is good."""

    def __init__(
        self, signer: RoomTokenSigner, gate: Gate, clock: Callable[[], float] = time.time
    ) -> None:
        self._signer = signer
        self._gate = gate
        self._clock = clock

    def issue(
        self, caller: Caller, rooms: Sequence[str], ttl: int, subject: str | None
    ) -> tuple[str, RoomClaims]:
        """Return a token for ``rooms`` of the caller's app, good for ``ttl`` seconds, rounded up.

        Raises ``ValidationFailed`` where the names are too long together.
        """
        now = self._clock()
        claims = RoomClaims(
            id=uuid7(),
            key_id=caller.key_id,
            app_id=caller.app_id,
            subject=subject,
            rooms=tuple(dict.fromkeys(rooms)),
            issued_at=int(now),
            expires_at=math.ceil(now + ttl),
        )
        token = self._signer.sign(claims)
        if len(token) > LONGEST:
            raise ValidationFailed(
                "the names of the rooms are too long together: ask for fewer, or for a pattern",
                {"rooms": [f"Must make a token of at most {LONGEST} characters."]},
            )
        return token, claims

    def admit(self, token: str) -> RoomClaims:
        """Return what ``token`` says.

        Raises ``Unauthorized`` where it was not signed here or is over, and where the key that it
        was made with is revoked or expired; ``Unavailable`` where only the database could tell.
        """
        try:
            claims = self._signer.verify(token)
            caller = self._gate.admit_key(claims.key_id, Scope.SUBSCRIBE)
        except (RoomTokenInvalid, Unauthorized) as error:
            raise Unauthorized(_REFUSAL) from error
        if caller.app_id != claims.app_id:
            raise Unauthorized(_REFUSAL)
        return claims


def _claims_of(payload: JsonObject) -> RoomClaims:
    match payload:
        case {
            "jti": str(token_id),
            "key": str(key_id),
            "app": str(app_id),
            "rooms": list(rooms),
            "iat": int(issued_at),
            "exp": int(expires_at),
        }:
            return RoomClaims(
                id=token_id,
                key_id=key_id,
                app_id=app_id,
                subject=_text_or_none(payload.get("sub")),
                rooms=tuple(_text(room) for room in rooms),
                issued_at=issued_at,
                expires_at=expires_at,
            )
    raise RoomTokenInvalid("claims are missing or of another type")


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise RoomTokenInvalid("a claim is no text")
    return value


def _text_or_none(value: JsonValue) -> str | None:
    return None if value is None else _text(value)
