"""Who a client is that connects: by an API key, by a room token, or anyone where that is let."""

from collections.abc import Mapping
from typing import TypeGuard

from flask import request

from logger_lib import JsonValue
from webapp.access.gate import Gate
from webapp.access.rate_limits import RateLimits
from webapp.access.room_tokens import PREFIX, RoomClaims, RoomTokens
from webapp.access.scopes import Scope
from webapp.errors import Unauthorized
from webapp.realtime.members import SocketOwner


class Admission:
    """Tells on whose behalf a client with a token connects.

    ``open_app_id`` is the app of those without one; ``None`` where a token is required.
    """

    def __init__(
        self, gate: Gate, tokens: RoomTokens, limits: RateLimits, open_app_id: str | None
    ) -> None:
        self._gate = gate
        self._tokens = tokens
        self._limits = limits
        self._open_app_id = open_app_id

    def owner(self, token: str | None) -> SocketOwner:
        """Return the owner of a socket with ``token``; raises ``HeraldError`` for a bad one."""
        # Of room tokens the signature keeps a flood from the database.
        if _is_room_token(token):
            return self._owner_by(token)
        self._limits.check_key(request.remote_addr, token)
        if token is None and self._open_app_id is not None:
            return SocketOwner(self._open_app_id, None)
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
            return owner_by(self._tokens.admit(token))
        except Unauthorized:
            # Beyond the limit for bad keys it is not written down any more.
            self._limits.check_key(request.remote_addr, token)
            raise


def owner_by(claims: RoomClaims) -> SocketOwner:
    """Return the owner of a socket with a room token."""
    return SocketOwner(claims.app_id, claims.key_id, claims)


def presented_token(auth: JsonValue) -> str | None:
    """Return the token in what a client sends with CONNECT."""
    token = auth.get("token") if isinstance(auth, Mapping) else None
    return token if isinstance(token, str) else None


def _is_room_token(token: str | None) -> TypeGuard[str]:
    return token is not None and token.startswith(PREFIX)
