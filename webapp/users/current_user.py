"""Who makes the current request: by user token, or by session."""

from dataclasses import dataclass

from flask import g, request

from webapp.errors import Unauthorized
from webapp.users.allowed import Allowed
from webapp.users.live_sessions import LiveSession, LiveSessions
from webapp.users.sessions import SessionClaim, Sessions
from webapp.users.user_tokens import UserToken, UserTokenInvalid, UserTokens
from webapp.users.users import UserDetails

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FOUND = "signed_in"
_HOW = (
    "Sign in with a browser at /auth/login, or send Authorization: Bearer <user token>:"
    " GET /auth/profile shows yours when you are signed in. An API key is none."
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session, and the token that the call was made with; None: by the session's cookie."""

    session: LiveSession
    token: UserToken | None


class CurrentUser:
    """Tells who is signed in."""

    def __init__(
        self, live: LiveSessions, allowed: Allowed, tokens: UserTokens, sessions: Sessions
    ) -> None:
        self._live = live
        self._allowed = allowed
        self._tokens = tokens
        self._sessions = sessions

    def __call__(self) -> UserDetails:
        """Return the user; raises what ``signed_in`` does."""
        return self.signed_in().session.user

    def claim(self) -> SessionClaim | UserToken | None:
        """Return what the cookie or token that came along says; nothing is looked up.

        Both are signed, so that nobody claims to be another. The session may be over.
        """
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self._sessions.claim()
        try:
            return self._tokens.verify(presented.strip())
        except UserTokenInvalid:
            return None

    def user_id(self) -> str | None:
        """Return the id of the user who is signed in; None where nobody is, or not any more."""
        try:
            return self._signed_in().session.user.id
        except Unauthorized:
            return None

    def signed_in(self) -> SignedIn:
        """Return the session and how the call proves it.

        A Bearer token is believed or refused, never passed over for the cookie. Raises
        ``Unauthorized`` where nobody is signed in, and ``Forbidden`` where a call by cookie may
        change something and brings no CSRF token along.
        """
        found = self._signed_in()
        if found.token is None and request.method not in _SAFE:
            self._sessions.require_csrf()
        return found

    def _signed_in(self) -> SignedIn:
        # Looked up once a call: the limit asks before the view does.
        found: SignedIn | None = g.get(_FOUND)
        if found is None:
            found = self._found()
            setattr(g, _FOUND, found)
        return found

    def _found(self) -> SignedIn:
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self._verified(presented.strip())
            return SignedIn(self._good(token.session_id), token)
        return SignedIn(self._good(self._sessions.session_id()), None)

    def _verified(self, presented: str) -> UserToken:
        try:
            return self._tokens.verify(presented)
        except UserTokenInvalid as error:
            raise Unauthorized(f"This is no user token, or its hour is over. {_HOW}") from error

    def _good(self, session_id: str | None) -> LiveSession:
        live = None if session_id is None else self._live.find(session_id)
        if live is None:
            raise Unauthorized(f"Nobody is signed in, or not any more. {_HOW}")
        why = self._allowed.why_not(live.user)
        if why is not None:
            raise Unauthorized(f"{why}. Ask whoever operates this Herald.")
        return live
