"""Sessions: who is signed in, in a signed cookie, and the token that proves a form to be ours."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from webapp.environment import LOOPBACK
from webapp.errors import Forbidden

LIFETIME_SECONDS = 8 * 3600
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"

_PURPOSE = b"herald: sessions, version 1"
_BYTES = 32
_USER, _UNTIL, _CSRF = "user", "until", "csrf"


class SessionCookie(SecureCookieSessionInterface):
    """The cookie: signed, ``HttpOnly``, ``SameSite=Lax``, and ``Secure`` but for HTTP on this host.

    Where it is secure its name begins with ``__Host-``, so that a browser takes it from this very
    host alone, over HTTPS.
    """

    salt = "herald-session"
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
        return request.scheme != "http" or not is_this_host(request.host)

    def get_cookie_httponly(self, app: Flask) -> bool:
        """Say that no script may read the cookie."""
        del app
        return True

    def get_cookie_samesite(self, app: Flask) -> str:
        """Say that another site's forms and scripts do not send the cookie."""
        del app
        return "Lax"


def use_session_cookie(app: Flask, secret: str) -> None:
    """Have ``app`` keep sessions in the cookie, signed with a key of its own."""
    app.secret_key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    app.permanent_session_lifetime = timedelta(seconds=LIFETIME_SECONDS)
    # Eight hours from the sign-in, and not from the last call.
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    app.session_interface = SessionCookie()


class Sessions:
    """The session of the current request."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def begin(self, user_id: str) -> None:
        """Sign the user in for eight hours. Nothing of what the cookie held before stays good."""
        session.clear()
        session.permanent = True
        session[_USER] = user_id
        session[_UNTIL] = int(self._clock()) + LIFETIME_SECONDS
        session[_CSRF] = secrets.token_urlsafe(_BYTES)

    def end(self) -> None:
        """Sign out: the cookie is removed."""
        session.clear()

    def user_id(self) -> str | None:
        """Return who is signed in, or None."""
        user_id, until = session.get(_USER), session.get(_UNTIL)
        if isinstance(user_id, str) and isinstance(until, int) and self._clock() < until:
            return user_id
        return None

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
