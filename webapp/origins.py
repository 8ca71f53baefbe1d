"""Which sites' pages may call Herald: CORS over HTTP, and the check of who connects a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

import orjson

from webapp.errors import envelope
from webapp.realtime.server import PATH as SOCKETS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from webapp.http.answer import ExcInfo, Send

ANY = "*"
ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-API-Key"
EXPOSED_HEADERS = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After"
PREFLIGHT_SECONDS = 600
"""How long a browser may remember what it was allowed."""

Headers = list[tuple[str, str]]


class OriginCheck:
    """Allows Herald's own origin and those of ``CORS_ORIGINS``.

    Its own is ``public_url``; without one, whatever host the caller has asked for.
    """

    def __init__(self, origins: Sequence[str], public_url: str | None = None) -> None:
        self._origins = frozenset(origins)
        self._own = public_url

    @property
    def allows_any(self) -> bool:
        """Whether every site may call."""
        return ANY in self._origins

    def __call__(self, origin: str | None, environ: WSGIEnvironment) -> bool:
        """Say whether a page of ``origin`` may call the host that ``environ`` asks for.

        No origin: not a browser's page, which is let in by its token alone.
        """
        if origin is None or self.allows_any:
            return True
        own = self._own or f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        return origin.lower() in self._origins or origin.lower() == own.lower()


class Cors:
    """WSGI middleware: tells browsers which sites' pages may call ``app`` and read its answers.

    No other site's page reads what a cookie gets, however its site is named: it could issue keys as
    the visitor who is signed in here. Socket.IO answers for itself, by the same check.

    Every site's pages may read the answers of which ``is_open`` says so, when they begin; not so
    what needs a preflight, which is any call with a header of its own.
    """

    def __init__(
        self, app: WSGIApplication, allowed: OriginCheck, is_open: Callable[[WSGIEnvironment], bool]
    ) -> None:
        self._app = app
        self._allowed = allowed
        self._is_open = is_open

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a preflight, or add to the app's answer what the browser asks for."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or environ["PATH_INFO"].startswith(SOCKETS):
            return self._app(environ, start_response)
        is_allowed = self._allowed(origin, environ)
        if environ["REQUEST_METHOD"] == "OPTIONS" and _METHOD in environ:
            return _answer_preflight(start_response, self._headers(origin), is_allowed=is_allowed)
        added = [*self._headers(origin), _EXPOSED]
        if is_allowed:
            return self._app(environ, _adding(added, start_response))

        def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Send:
            told = headers + _OPEN if self._is_open(environ) else headers
            return cast("Send", start_response(status, told, exc_info))

        return self._app(environ, start)

    def _headers(self, origin: str) -> Headers:
        if self._allowed.allows_any:
            return [("Access-Control-Allow-Origin", ANY)]
        return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]


_EXPOSED = ("Access-Control-Expose-Headers", EXPOSED_HEADERS)
_OPEN = [("Access-Control-Allow-Origin", ANY), _EXPOSED]
_METHOD = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"


def _adding(added: Headers, start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Send:
        return cast("Send", start_response(status, headers + added, exc_info))

    return start


def _answer_preflight(
    start_response: StartResponse, headers: Headers, *, is_allowed: bool
) -> list[bytes]:
    if is_allowed:
        headers += [
            ("Access-Control-Allow-Methods", ALLOWED_METHODS),
            ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
            ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
        ]
        start_response("204 No Content", headers)
        return []
    body = orjson.dumps(
        envelope("forbidden_origin", "pages of this site may not call: name it in CORS_ORIGINS")
    )
    start_response(
        "403 FORBIDDEN",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
    )
    return [body]
