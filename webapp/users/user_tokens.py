"""User tokens: what a program calls with in the name of a person who has signed in."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from logger_lib import JsonObject
from webapp.signed_token import TokenInvalid, TokenSigner
from webapp.users.live_sessions import LiveSession

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
    session_id: str
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

    def issue(self, live: LiveSession) -> UserToken:
        """Return a token of a session: a JWT that is good for an hour, and no longer than that."""
        now = int(self._clock())
        expires_at = min(now + LIFETIME_SECONDS, int(live.ends_at.timestamp()))
        claims: JsonObject = {"sub": live.user.id, "sid": live.id, "iat": now, "exp": expires_at}
        return UserToken(self._signer.sign(claims), live.id, live.user.id, expires_at)

    def verify(self, token: str) -> UserToken:
        """Return what ``token`` says; raises ``UserTokenInvalid`` unless all of it is right.

        Whether its session is still good, the database knows.
        """
        match self._signer.open(token):
            case {"sid": str(session_id), "sub": str(user_id), "exp": int(expires_at)} if (
                expires_at > self._clock()
            ):
                return UserToken(token, session_id, user_id, expires_at)
        raise UserTokenInvalid("expired, or claims are missing")
