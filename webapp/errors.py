"""Every error that a caller can see, and how each looks on the wire.

HeraldError
├── MalformedBody        400  the body is not JSON; says line and column
├── Unauthorized         401  no key, or one that is not known (any more)
├── Forbidden            403  the key lacks the scope, or a form its CSRF token
├── SignInRefused        403  the issuer, or a link, does not say who this is
├── NotFound             404  there is no such thing, or it is another's
├── CallInProgress       409  another host is at the same Idempotency-Key; says when to come back
├── AppNameTaken         409  the owner has an app of this name
├── LimitReached         409  as many as there may be are there
├── BodyTooLarge         413  the body has more bytes than the call takes
├── TimeZoneFixed        409  the app has hits, and their days are those of its time zone
├── UnsupportedMedia     415  the body is not announced as JSON
├── ValidationFailed     422  by field
├── IdempotencyKeyReused 422  the Idempotency-Key came with another body before
├── SearchTooLong        422  a search finds too little among what it has to look at
├── TooManyRequests      429  a rate limit is reached; says when to come back
├── NoIssuer             501  nobody is set who could sign people in
├── LogNotReadable       501  no logger of this server can be read
├── TooManySockets       503  every place for a socket is taken
└── Unavailable          503  a part that the answer needs is out of reach; says when to come back
    └── RecordLost       503  what was published may be missing from the log
"""

from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from logger_lib.json_value import JsonObject, JsonValue

FieldErrors: TypeAlias = Mapping[str, "FieldErrors | Sequence[str]"]


class HeraldError(Exception):
    """An error with a status, a stable code for programs and a message that tells the next step."""

    status = 500
    code = "internal_error"
    retry_after: int | None = None
    """Seconds after which the same call may succeed; sent as ``Retry-After``."""

    def __init__(self, message: str, fields: FieldErrors | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def to_wire(self) -> JsonObject:
        """Return the envelope that every refused call gets, Socket.IO acknowledgements included."""
        return envelope(self.code, self.message, self.fields)


def envelope(code: str, message: str, fields: FieldErrors | None = None) -> JsonObject:
    """Return ``{"error": {"code", "message", "fields"?}}`` (design: the contract on the wire)."""
    error: JsonObject = {"code": code, "message": message}
    if fields:
        error["fields"] = _plain(fields)
    return {"error": error}


def _plain(fields: FieldErrors) -> JsonObject:
    plain: JsonObject = {}
    for name, problem in fields.items():
        value: JsonValue = _plain(problem) if isinstance(problem, Mapping) else list(problem)
        plain[str(name)] = value
    return plain


class MalformedBody(HeraldError):
    """The body is not one JSON value in UTF-8."""

    status = 400
    code = "malformed_json"


class Unauthorized(HeraldError):
    """The call carries no API key, or one that was never issued, was revoked or has expired."""

    status = 401
    code = "unauthorized"


class Forbidden(HeraldError):
    """Who calls is known, and may not make this call, or not in this way."""

    status = 403
    code = "forbidden"


class SignInRefused(HeraldError):
    """Who wants to sign in is not proved, or is not among those who may."""

    status = 403
    code = "sign_in_refused"


class NotFound(HeraldError):
    """What the call names does not exist, or belongs to another app."""

    status = 404
    code = "not_found"


class CallInProgress(HeraldError):
    """Another host is still working on a call with the same ``Idempotency-Key``."""

    status = 409
    code = "call_in_progress"
    retry_after = 2


class AppNameTaken(HeraldError):
    """The owner has an app of this name already."""

    status = 409
    code = "app_name_taken"


class LimitReached(HeraldError):
    """There are as many of these as there may be."""

    status = 409
    code = "limit_reached"


class BodyTooLarge(HeraldError):
    """The body has more bytes than this call takes, although fewer than others may have."""

    status = 413
    code = "body_too_large"


class TimeZoneFixed(HeraldError):
    """The app has hits: in another time zone they would be of other days."""

    status = 409
    code = "time_zone_fixed"


class UnsupportedMedia(HeraldError):
    """The body is not declared as ``application/json``."""

    status = 415
    code = "unsupported_media_type"


class ValidationFailed(HeraldError):
    """The body is JSON, but not what the call takes."""

    status = 422
    code = "validation_failed"

    @classmethod
    def from_schema(cls, error: ValidationError) -> Self:
        """Return the error that a marshmallow schema found, field by field."""
        messages = error.messages
        fields: FieldErrors = messages if isinstance(messages, dict) else {SCHEMA: messages}
        return cls("not what this call takes: see 'fields'", fields)


class IdempotencyKeyReused(HeraldError):
    """An ``Idempotency-Key`` came back with another body than the first one."""

    status = 422
    code = "idempotency_key_reused"


class NoIssuer(HeraldError):
    """No OpenID Connect issuer is configured that could sign people in."""

    status = 501
    code = "no_issuer"


class LogNotReadable(HeraldError):
    """The log goes only to loggers that cannot be read."""

    status = 501
    code = "log_not_readable"


class SearchTooLong(HeraldError):
    """A search would have to look at too many events: it has to ask for less.

    All that it asks for down to the id ``reached`` was found before; None: it came nowhere.
    """

    status = 422
    code = "search_too_long"

    def __init__(self, message: str, reached: str | None = None) -> None:
        super().__init__(message)
        self.reached = reached


class TooManyRequests(HeraldError):
    """A key or an address has used up what its rate limit grants it for now."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManySockets(HeraldError):
    """As many sockets are connected as ``MAX_SOCKETS`` allows."""

    status = 503
    code = "too_many_sockets"
    retry_after = 5


class Unavailable(HeraldError):
    """A part that the answer depends on is out of reach for the moment."""

    status = 503
    code = "unavailable"
    retry_after = 2


class RecordLost(Unavailable):
    """An event was sent to its sockets, and the log may never have it."""
