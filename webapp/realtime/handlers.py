"""What a client may say: connect, join, leave, refresh."""

from collections.abc import Mapping
from typing import Protocol, TypeGuard, cast

from flask import request
from marshmallow import RAISE, Schema, ValidationError, fields
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused

from logger_lib import Failure, JsonObject, JsonValue, Level, Logger, LogRecord
from webapp.access.gate import Gate
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals, RefusedCall
from webapp.access.room_tokens import PREFIX, RoomClaims, RoomTokens
from webapp.access.scopes import Scope
from webapp.errors import (
    Forbidden,
    HeraldError,
    TooManyRequests,
    TooManySockets,
    Unauthorized,
    ValidationFailed,
    envelope,
)
from webapp.events.schema import JoinSchema
from webapp.realtime.rooms import NAMESPACE, RoomManager, SocketOwner
from webapp.realtime.server import SocketServer
from webapp.redaction import without_secrets

MAX_ROOMS_PER_SOCKET = 100


class RefreshSchema(Schema):
    """The argument of ``refresh``."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    token = fields.String(required=True)


_join_schema = JoinSchema()
_refresh_schema = RefreshSchema()


class _SocketRequest(Protocol):
    sid: str


class SocketHandlers:
    """Answers the clients of one Socket.IO server.

    ``open_app_id`` is the app that sockets without a token belong to, where anyone may connect;
    ``None`` where a token is required.
    """

    def __init__(
        self,
        rooms: RoomManager,
        gate: Gate,
        tokens: RoomTokens,
        logger: Logger,
        *,
        limits: RateLimits,
        refusals: Refusals,
        max_sockets: int,
        open_app_id: str | None,
    ) -> None:
        self._rooms = rooms
        self._gate = gate
        self._tokens = tokens
        self._logger = logger
        self._limits = limits
        self._refusals = refusals
        self._max_sockets = max_sockets
        self._open_app_id = open_app_id

    def register(self, sockets: SocketServer) -> None:
        """Have ``sockets`` call these handlers."""
        sockets.on("connect")(self.connect)
        sockets.on("join")(self.join)
        sockets.on("leave")(self.leave)
        sockets.on("refresh")(self.refresh)
        sockets.on("*")(self.unknown)
        sockets.on_error_default(self.failed)
        sockets.engine.on_parted = self.parted

    def connect(self, auth: JsonValue = None) -> None:
        """Admit the socket, or refuse it with a reason that its ``connect_error`` shows."""
        token = _token_in(auth)
        try:
            # Of room tokens the signature keeps a flood from the database.
            if not _is_room_token(token):
                self._limits.check_key(request.remote_addr, token)
            self._admit(_current_sid(), token)
        except HeraldError as error:
            self._note_refusal(error, token)
            data = error.to_wire()
            if error.retry_after is not None:
                data["retryAfter"] = error.retry_after
            raise ConnectionRefused(error.message, data) from error
        except Exception as error:
            # Only a refusal keeps the socket out: whatever else a handler returns lets it in.
            raise ConnectionRefused("the server failed", self.failed(error)) from error

    def _note_refusal(self, error: HeraldError, token: str | None) -> None:
        refused = RefusedCall(error.status, request.remote_addr, "socket connect", token)
        # Too many requests are counted where the limit is.
        if self._refusals.note(refused) and not isinstance(error, TooManyRequests):
            self._log(Level.WARNING, "socket.refused", error.message, error.code)

    def _admit(self, sid: str, token: str | None) -> None:
        owner = self._owner(token)
        # Nothing may wait between the count and the admission, or a crowd that waited for the
        # same look into the database would all find the last place free.
        if self._rooms.socket_count >= self._max_sockets:
            raise TooManySockets(
                f"all {self._max_sockets} sockets of this host are taken: connect again later"
            )
        self._rooms.admit(sid, owner)

    def _owner(self, token: str | None) -> SocketOwner:
        if token is None and self._open_app_id is not None:
            return SocketOwner(self._open_app_id, None)
        if _is_room_token(token):
            return self._owner_by(token)
        try:
            caller = self._gate.admit(token, Scope.SUBSCRIBE)
        except Unauthorized as error:
            raise Unauthorized(
                "connect with a valid API key of scope subscribe, or with a room token:"
                " io(url, {auth: {token}})"
            ) from error
        return SocketOwner(caller.app_id, caller.key_id)

    def _owner_by(self, token: str) -> SocketOwner:
        try:
            return _owner_by(self._tokens.admit(token))
        except Unauthorized:
            # Beyond the limit for bad keys it is not written down any more.
            self._limits.check_key(request.remote_addr, token)
            raise

    def join(self, *arguments: JsonValue) -> JsonObject:
        """Put the socket into a room of its app."""
        room, sid = _room_in(arguments), self._present_sid()
        claims = self._rooms.owner_of(sid).claims
        if claims is not None and not claims.allows(room):
            raise Forbidden(
                f"this socket's room token does not allow {room!r}: refresh with one that does"
            )
        if self._rooms.is_sid(room):
            raise ValidationFailed(
                "a socket's id is not a room", {"room": ["Is the id of a socket."]}
            )
        joined = self._rooms.rooms_of(sid)
        if room not in joined and len(joined) >= MAX_ROOMS_PER_SOCKET:
            raise ValidationFailed(
                f"a socket may be in {MAX_ROOMS_PER_SOCKET} rooms: leave one first",
                {"room": ["Is one too many."]},
            )
        self._rooms.join(sid, room)
        return {"ok": True, "room": room}

    def leave(self, *arguments: JsonValue) -> JsonObject:
        """Take the socket out of a room of its app."""
        room = _room_in(arguments)
        self._rooms.leave(self._present_sid(), room)
        return {"ok": True, "room": room}

    def refresh(self, *arguments: JsonValue) -> JsonObject:
        """Go on with another room token of the same app and subject."""
        token, sid = _token_to_refresh_with(arguments), self._present_sid()
        self._claims_of(sid)
        # This may wait for the database, and the socket's end may come meanwhile.
        claims = self._claims_in(token)
        if not self._rooms.is_connected(sid, NAMESPACE):
            raise Unauthorized("the socket has ended meanwhile: connect with the new token")
        held = self._claims_of(sid)
        if (claims.app_id, claims.subject) != (held.app_id, held.subject):
            raise Forbidden(
                "refresh with a room token of the same app and subject, or connect anew with this"
            )
        left = self._rooms.renew(sid, _owner_by(claims))
        return {"ok": True, "expiresAt": claims.expiry_text, "left": [*left]}

    def _present_sid(self) -> str:
        # What a socket has sent may have its turn after the socket's end.
        sid = _current_sid()
        if not self._rooms.is_sid(sid):
            raise Unauthorized("the socket has ended: connect again")
        return sid

    def _claims_in(self, token: str) -> RoomClaims:
        try:
            return self._tokens.admit(token)
        except Unauthorized as error:
            address = request.remote_addr
            self._refusals.note(RefusedCall(error.status, address, "socket refresh", token))
            raise

    def _claims_of(self, sid: str) -> RoomClaims:
        claims = self._rooms.owner_of(sid).claims
        if claims is None:
            raise Forbidden(
                "this socket was let in without a room token, and needs none to join its rooms"
            )
        return claims

    def unknown(self, event: str, *arguments: JsonValue) -> JsonObject:
        """Answer an event that means nothing here, so that a typing error is seen."""
        del arguments
        return envelope("unknown_event", f"{event!r} is none of: join, leave, refresh")

    def failed(self, error: Exception) -> JsonObject:
        """Answer a handler's error in the acknowledgement."""
        if isinstance(error, HeraldError):
            return error.to_wire()
        self._logger.log(
            LogRecord(
                level=Level.ERROR,
                event="socket.failed",
                message=without_secrets(f"{type(error).__name__}: {error}"),
                fields={"address": request.remote_addr},
                failure=Failure.of(error),
            )
        )
        return envelope("internal_error", "the server failed; the failure was logged")

    def parted(self, sid: str, reason: str) -> None:
        """Log that the server has ended a socket, and why."""
        self._logger.log(
            LogRecord(
                level=Level.WARNING,
                event="socket.dropped",
                message=reason,
                fields={"sid": sid},
            )
        )

    def _log(self, level: Level, event: str, message: str, code: str) -> None:
        fields: JsonObject = {"address": request.remote_addr}
        if code:
            fields["code"] = code
        self._logger.log(LogRecord(level=level, event=event, message=message, fields=fields))


def _current_sid() -> str:
    # Flask-SocketIO adds the attribute to the request that it pushes for a handler.
    return cast("_SocketRequest", request).sid


def _is_room_token(token: str | None) -> TypeGuard[str]:
    return token is not None and token.startswith(PREFIX)


def _token_in(auth: JsonValue) -> str | None:
    token = auth.get("token") if isinstance(auth, Mapping) else None
    return token if isinstance(token, str) else None


def _owner_by(claims: RoomClaims) -> SocketOwner:
    return SocketOwner(claims.app_id, claims.key_id, claims)


def _room_in(arguments: tuple[JsonValue, ...]) -> str:
    return _text_in(arguments, "room", _join_schema)


def _token_to_refresh_with(arguments: tuple[JsonValue, ...]) -> str:
    return _text_in(arguments, "token", _refresh_schema)


def _text_in(arguments: tuple[JsonValue, ...], name: str, schema: Schema) -> str:
    payload = arguments[0] if arguments else None
    if not isinstance(payload, Mapping):
        raise ValidationFailed(f'send an object: {{"{name}": "…"}}', {name: ["Is missing."]})
    try:
        text: str = schema.load(payload)[name]
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
    return text
