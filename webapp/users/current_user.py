"""Who makes the current request: by user token, or by session."""

from dataclasses import dataclass

from flask import request

from webapp.errors import Unauthorized
from webapp.users.sessions import Sessions
from webapp.users.user_tokens import UserToken, UserTokenInvalid, UserTokens
from webapp.users.users import UserDetails, Users

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOW = (
    "Sign in with a browser at /auth/login, or send Authorization: Bearer <user token>:"
    " GET /auth/profile shows yours when you are signed in. An API key is none."
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user, and the token that the call was made with; None: by the session's cookie."""

    user: UserDetails
    token: UserToken | None


class CurrentUser:
    """Tells who is signed in."""

    def __init__(self, users: Users, tokens: UserTokens, sessions: Sessions) -> None:
        self._users = users
        self._tokens = tokens
        self._sessions = sessions

    def __call__(self) -> UserDetails:
        """Return the user; raises what ``signed_in`` does."""
        return self.signed_in().user

    def claimed_id(self) -> str | None:
        """Return the id of the user whose session or token came along; nothing is looked up.

        Both are signed, so that nobody claims to be another; there may be no such user any more.
        """
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self._sessions.user_id()
        try:
            return self._tokens.verify(presented.strip()).user_id
        except UserTokenInvalid:
            return None

    def signed_in(self) -> SignedIn:
        """Return the user and how the call proves it.

        A Bearer token is believed or refused, never passed over for the cookie. Raises
        ``Unauthorized`` where nobody is signed in, and ``Forbidden`` where a call by cookie may
        change something and brings no CSRF token along.
        """
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self._verified(presented.strip())
            return SignedIn(self._known(token.user_id), token)
        user = self._known(self._sessions.user_id())
        if request.method not in _SAFE:
            self._sessions.require_csrf()
        return SignedIn(user, None)

    def _verified(self, presented: str) -> UserToken:
        try:
            return self._tokens.verify(presented)
        except UserTokenInvalid as error:
            raise Unauthorized(f"This is no user token, or its hour is over. {_HOW}") from error

    def _known(self, user_id: str | None) -> UserDetails:
        user = None if user_id is None else self._users.find(user_id)
        if user is None:
            raise Unauthorized(f"Nobody is signed in. {_HOW}")
        return user
