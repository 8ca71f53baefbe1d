"""User tokens: what a program calls with in the name of a person who has signed in."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

LIFETIME_SECONDS = 3600

_ALGORITHM = "HS256"
_KIND = "herald-user+jwt"
_PURPOSE = b"herald: user tokens, version 1"
_LONGEST = 2048


class UserTokenInvalid(Exception):
    """A text is not a user token that was signed here, or its hour is over."""


@dataclass(frozen=True, slots=True)
class UserToken:
    """A token and what it says. ``expires_at`` is in Unix seconds."""

    token: str = field(repr=False)
    user_id: str
    expires_at: int


class UserTokens:
    """Makes and checks tokens with a key that is derived from the secret for this purpose alone.

    An API key, made from the same secret, is therefore never taken for one.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        derived = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._key = OctKey.import_key(derived)
        self._clock = clock

    def issue(self, user_id: str) -> UserToken:
        """Return a token for the user: a JWT that is good for an hour."""
        now = int(self._clock())
        expires_at = now + LIFETIME_SECONDS
        payload: dict[str, str | int] = {"sub": user_id, "iat": now, "exp": expires_at}
        header = {"alg": _ALGORITHM, "typ": _KIND}
        token = jwt.encode(header, payload, self._key, [_ALGORITHM])
        return UserToken(token, user_id, expires_at)

    def verify(self, token: str) -> UserToken:
        """Return what ``token`` says; raises ``UserTokenInvalid`` unless all of it is right."""
        if len(token) > _LONGEST:
            raise UserTokenInvalid(f"longer than {_LONGEST} characters")
        try:
            decoded = jwt.decode(token, self._key, [_ALGORITHM])
        except (JoseError, ValueError) as error:
            raise UserTokenInvalid("not signed here") from error
        if decoded.header.get("typ") != _KIND:
            raise UserTokenInvalid("a token of another kind")
        match decoded.claims:
            case {"sub": str(user_id), "exp": int(expires_at)} if expires_at > self._clock():
                return UserToken(token, user_id, expires_at)
        raise UserTokenInvalid("expired, or claims are missing")
