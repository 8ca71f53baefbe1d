"""API keys as signed tokens: forged ones are told apart without a look at the database."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from logger_lib.json_value import JsonObject, JsonValue
from webapp.access.scopes import Scope
from webapp.signed_token import TokenInvalid, TokenSigner

PREFIX = "herald_"
"""What secret scanners find a leaked key by."""

_KIND = "herald-key+jwt"
_PURPOSE = b"herald: API keys, version 1"
_LONGEST = 2048


class KeyTokenInvalid(TokenInvalid):
    """A text is not an API key that was signed here, or its time is over."""


@dataclass(frozen=True, slots=True)
class KeyClaims:
    """What a token says of itself. Times are Unix seconds."""

    key_id: str
    app_id: str
    scopes: frozenset[Scope]
    issued_at: int
    expires_at: int | None = None


class KeySigner:
    """Makes and checks the tokens of API keys."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._signer = TokenSigner(
            secret,
            prefix=PREFIX,
            kind=_KIND,
            purpose=_PURPOSE,
            longest=_LONGEST,
            refusal=KeyTokenInvalid,
        )
        self._clock = clock

    def sign(self, claims: KeyClaims) -> str:
        """Return the token for ``claims``: ``herald_`` and a JWT."""
        payload: JsonObject = {
            "jti": claims.key_id,
            "app": claims.app_id,
            "scp": [str(scope) for scope in sorted(claims.scopes)],
            "iat": claims.issued_at,
        }
        if claims.expires_at is not None:
            payload["exp"] = claims.expires_at
        return self._signer.sign(payload)

    def verify(self, token: str) -> KeyClaims:
        """Return what ``token`` says; raises ``KeyTokenInvalid`` unless all of it is right."""
        claims = _claims_of(self._signer.open(token))
        if claims.expires_at is not None and claims.expires_at <= self._clock():
            raise KeyTokenInvalid("expired")
        return claims


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token in hex: all that is kept of it, and all that it takes.

    A slow hash would protect nothing, as nobody can guess 256 bits of a signature.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _claims_of(payload: JsonObject) -> KeyClaims:
    match payload:
        case {"jti": str(key_id), "app": str(app_id), "scp": list(scopes), "iat": int(issued_at)}:
            expires_at = payload.get("exp")
            if expires_at is None or isinstance(expires_at, int):
                return KeyClaims(key_id, app_id, _scopes_of(scopes), issued_at, expires_at)
    raise KeyTokenInvalid("claims are missing or of another type")


def _scopes_of(names: list[JsonValue]) -> frozenset[Scope]:
    try:
        return frozenset(Scope(str(name)) for name in names)
    except ValueError as error:
        raise KeyTokenInvalid(str(error)) from error
