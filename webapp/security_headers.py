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
_GIVEN_WAY = frozenset(name for name, _ in OF_DATA) - {_POLICY}


class SecurityHeaders:
    """WSGI middleware around everything that answers.

    What an answer says itself counts; one that says nothing of caches is kept by none, as it is
    somebody's own. Of two policies for content browsers keep the stricter parts: it has both.
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
    own = dict(headers)
    is_page = own.get("Content-Type", "").startswith("text/html")
    completed = headers + (OF_PAGES if is_page else OF_DATA)
    if not _GIVEN_WAY.isdisjoint(own):
        completed = headers + [
            (name, value)
            for name, value in (OF_PAGES if is_page else OF_DATA)
            if name not in own or name == _POLICY
        ]
    if NOT_KEPT[0] not in own:
        completed.append(NOT_KEPT)
    if is_https:
        completed.append(HSTS)
    return completed
