"""The cookie that names a session, signed, and the token that proves a form to be ours."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from webapp.errors import Forbidden
from webapp.setting_values import LOOPBACK
from webapp.users.live_sessions import LIFETIME_SECONDS

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"

_PURPOSE = b"herald: sessions, version 1"
_BYTES = 32
_ID, _USER, _CSRF = "session", "user", "csrf"


class SessionCookie(SecureCookieSessionInterface):
    """The cookie: signed, ``HttpOnly``, ``SameSite=Lax``, and ``Secure`` but for HTTP on this host.

    Where it is secure its name begins with ``__Host-``, so that a browser takes it from this very
    host alone, over HTTPS.
    """

    salt = "herald-session"

    def __init__(self, public_url: str | None) -> None:
        super().__init__()
        self._public_url = public_url

    digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session that the request carries; nearly all calls carry none."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name under which the cookie is looked for and set."""
        return "__Host-herald" if self.get_cookie_secure(app) else "herald"

    def get_cookie_secure(self, app: Flask) -> bool:
        """Say whether the cookie is for HTTPS alone."""
        del app
        reached = urlsplit(self._public_url or request.host_url)
        return reached.scheme != "http" or not is_this_host(reached.netloc)

    def get_cookie_httponly(self, app: Flask) -> bool:
        """Say that no script may read the cookie."""
        del app
        return True

    def get_cookie_samesite(self, app: Flask) -> str:
        """Say that another site's forms and scripts do not send the cookie."""
        del app
        return "Lax"


def use_session_cookie(app: Flask, secret: str, public_url: str | None) -> None:
    """Have ``app`` keep sessions in the cookie, signed with a key of its own.

    Whether it is for HTTPS alone is ``public_url``'s to say, and the request's without one.
    """
    app.secret_key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    app.permanent_session_lifetime = timedelta(seconds=LIFETIME_SECONDS)
    # Eight hours from the sign-in, and not from the last call.
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    app.session_interface = SessionCookie(public_url)


@dataclass(frozen=True, slots=True)
class SessionClaim:
    """What the cookie says of a session, which may be over."""

    session_id: str
    user_id: str


class Sessions:
    """The cookie of the current request."""

    def begin(self, session_id: str, user_id: str) -> None:
        """Have the browser keep a session that has begun, and nothing of what it held before."""
        session.clear()
        session.permanent = True
        session[_ID], session[_USER] = session_id, user_id
        session[_CSRF] = secrets.token_urlsafe(_BYTES)

    def end(self) -> None:
        """Have the browser forget the session."""
        session.clear()

    def session_id(self) -> str | None:
        """Return the session that the browser says it has; it may be over."""
        session_id = session.get(_ID)
        return session_id if isinstance(session_id, str) else None

    def claim(self) -> SessionClaim | None:
        """Return that session, and whose it was when it began."""
        session_id, user_id = self.session_id(), session.get(_USER)
        if session_id is None or not isinstance(user_id, str):
            return None
        return SessionClaim(session_id, user_id)

    def csrf_token(self) -> str:
        """Return what a form or a call has to bring along; made if the session has none."""
        token = session.get(_CSRF)
        if not isinstance(token, str):
            token = session[_CSRF] = secrets.token_urlsafe(_BYTES)
        return token

    def require_csrf(self) -> None:
        """Raise ``Forbidden`` unless the request brings the session's CSRF token along."""
        held = session.get(_CSRF)
        brought = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
        if not isinstance(held, str) or not hmac.compare_digest(held.encode(), brought.encode()):
            raise Forbidden(
                f"A call that is signed in by a cookie needs its CSRF token: send the csrfToken of"
                f" GET /auth/profile as {CSRF_HEADER}, or in a form as {CSRF_FIELD}. Programs use"
                " Authorization: Bearer <user token>, and need none."
            )


def is_this_host(host: str) -> bool:
    """Say whether a ``Host`` names the very machine that the browser runs on."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False
