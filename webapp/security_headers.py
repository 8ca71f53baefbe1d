"""What every answer tells a browser not to do with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from webapp.http.answer import ExcInfo, Send

Headers = list[tuple[str, str]]

EVERY_ANSWER: Headers = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Of what is no page: shown as one it loads and runs nothing."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
"""Of pages: what they load is Herald's own files, and nothing that stands in the page runs."""

HSTS = ("Strict-Transport-Security", "max-age=31536000")
NOT_KEPT = ("Cache-Control", "no-store")
_POLICY = "Content-Security-Policy"

_REFERRER = "Referrer-Policy"

OF_DATA: Headers = [*EVERY_ANSWER, (_REFERRER, "no-referrer"), (_POLICY, DATA_POLICY)]
# With no-referrer a browser would call a page's own forms those of the origin "null".
OF_PAGES: Headers = [*EVERY_ANSWER, (_REFERRER, "same-origin"), (_POLICY, PAGE_POLICY)]


class SecurityHeaders:
    """WSGI middleware around everything that answers.

    An answer that says nothing of caches is kept by none: it is somebody's own. One that brings a
    policy of its own has both, of which browsers keep the stricter parts.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Have the app answer, and add what is to be said."""
        is_https = environ["wsgi.url_scheme"] == "https"

        def start(status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Send:
            completed = _completed(headers, is_https=is_https)
            return cast("Send", start_response(status, completed, exc_info))

        return self._app(environ, start)


def _completed(headers: Headers, *, is_https: bool) -> Headers:
    is_page = is_kept = False
    for name, value in headers:
        if name == "Content-Type":
            is_page = value.startswith("text/html")
        elif name == "Cache-Control":
            is_kept = True
    completed = headers + (OF_PAGES if is_page else OF_DATA)
    if not is_kept:
        completed.append(NOT_KEPT)
    if is_https:
        completed.append(HSTS)
    return completed
