"""User tokens: what a program calls with in the name of a person who has signed in."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from webapp.signed_token import TokenInvalid, TokenSigner

LIFETIME_SECONDS = 3600

_KIND = "herald-user+jwt"
_PURPOSE = b"herald: user tokens, version 1"
_LONGEST = 2048


class UserTokenInvalid(TokenInvalid):
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
        self._signer = TokenSigner(
            secret,
            prefix="",
            kind=_KIND,
            purpose=_PURPOSE,
            longest=_LONGEST,
            refusal=UserTokenInvalid,
        )
        self._clock = clock

    def issue(self, user_id: str) -> UserToken:
        """Return a token for the user: a JWT that is good for an hour."""
        now = int(self._clock())
        expires_at = now + LIFETIME_SECONDS
        token = self._signer.sign({"sub": user_id, "iat": now, "exp": expires_at})
        return UserToken(token, user_id, expires_at)

    def verify(self, token: str) -> UserToken:
        """Return what ``token`` says; raises ``UserTokenInvalid`` unless all of it is right."""
        match self._signer.open(token):
            case {"sub": str(user_id), "exp": int(expires_at)} if expires_at > self._clock():
                return UserToken(token, user_id, expires_at)
        raise UserTokenInvalid("expired, or claims are missing")
