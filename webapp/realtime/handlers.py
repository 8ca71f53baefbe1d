"""What a client may say: connect, join, leave, refresh."""

from collections.abc import Callable
from typing import Protocol, cast

from flask import request
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused

from logger_lib import Failure, JsonObject, JsonValue, Level, Logger, LogRecord
from webapp.access.gate import Gate
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals, RefusedCall
from webapp.access.room_tokens import RoomClaims, RoomTokens
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
from webapp.names import LIVE_ROOMS, OWN, PRESENCE, watched_by
from webapp.realtime.admission import Admission, owner_by, presented_token
from webapp.realtime.arguments import room_in, token_in
from webapp.realtime.members import SocketOwner
from webapp.realtime.rooms import NAMESPACE, RoomManager
from webapp.realtime.server import SocketServer
from webapp.redaction import without_secrets

MAX_ROOMS_PER_SOCKET = 100


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
        is_back: Callable[[JsonValue], bool] = lambda _: False,
    ) -> None:
        self._rooms = rooms
        self._gate = gate
        self._tokens = tokens
        self._logger = logger
        self._refusals = refusals
        self._max_sockets = max_sockets
        self._admission = Admission(gate, tokens, limits, open_app_id)
        self.is_back = is_back
        """Says whether who sends this with CONNECT takes the place of a socket that is here."""

        self.check_watch: Callable[[str, str], None] = lambda *_: None
        """Raises where the comings and goings of a room of an app cannot be told as well."""

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
        token = presented_token(auth)
        try:
            owner = self._admission.owner(token)
            self._admit(_current_sid(), owner, is_back=self.is_back(auth))
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

    def _admit(self, sid: str, owner: SocketOwner, *, is_back: bool) -> None:
        # Nothing may wait between the count and the admission, or a crowd that waited for the
        # same look into the database would all find the last place free. Who is back has the place
        # of the connection that is not known to be dead yet.
        if self._rooms.socket_count >= self._max_sockets + is_back:
            raise TooManySockets(
                f"all {self._max_sockets} sockets of this host are taken: connect again later"
            )
        self._rooms.admit(sid, owner)

    def may_join(self, owner: SocketOwner, room: str) -> bool:
        """Say whether a socket of ``owner`` that was in ``room`` may be in it, still."""
        try:
            if room.startswith(OWN):
                self._require_reader(owner, room)
        except HeraldError:
            return False
        return owner.claims is None or owner.claims.allows(room)

    def join(self, *arguments: JsonValue) -> JsonObject:
        """Put the socket into a room of its app."""
        room, sid = room_in(arguments), self._present_sid()
        if room.startswith(OWN):
            self._require_reader(self._rooms.owner_of(sid), room)
            # That may have waited for the database.
            sid = self._present_sid()
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

    def _require_reader(self, owner: SocketOwner, room: str) -> None:
        """Raise unless ``owner`` may join this room of Herald's own.

        A room token has to name it: no pattern that was meant for rooms of the app opens it.
        """
        watched = watched_by(room)
        if room not in LIVE_ROOMS and watched is None:
            raise ValidationFailed(
                f"Herald's own rooms are {', '.join(LIVE_ROOMS)}, and {PRESENCE} with the name of"
                " another room",
                {"room": [f"Is none, but begins with {OWN}"]},
            )
        if owner.key_id is None or (owner.claims and room not in owner.claims.rooms):
            raise Forbidden(
                f"{room} is for who may read: connect with an API key of scope read, or with a"
                " room token that names it and was made with such a key"
            )
        self._gate.admit_key(owner.key_id, Scope.READ)
        if watched is not None:
            self.check_watch(owner.app_id, watched)

    def leave(self, *arguments: JsonValue) -> JsonObject:
        """Take the socket out of a room of its app."""
        room = room_in(arguments)
        self._rooms.leave(self._present_sid(), room)
        return {"ok": True, "room": room}

    def refresh(self, *arguments: JsonValue) -> JsonObject:
        """Go on with another room token of the same app and subject."""
        token, sid = token_in(arguments), self._present_sid()
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
        left = self._rooms.renew(sid, owner_by(claims))
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
