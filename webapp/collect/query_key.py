"""A key in the address, for pages that send by ``navigator.sendBeacon``, which sends no headers.

Addresses end up in the logs of everything on the way; this one gets into none of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PARAMETER = "key="
_FOUND = "herald.key_from_query"


class QueryKey:
    """WSGI middleware: inside it a key in the query of ``paths`` stands in ``X-API-Key``.

    There the gate, the limits and the audit trail look for it, and nobody writes it down. A key in
    a header counts before it.
    """

    def __init__(self, app: WSGIApplication, paths: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Move the key and call the app."""
        if _PARAMETER in environ["QUERY_STRING"] and environ["PATH_INFO"] in self._paths:
            _move(environ)
        return self._app(environ, start_response)


def is_from_query(environ: WSGIEnvironment) -> bool:
    """Say whether the key of a call was sent in its address."""
    return _FOUND in environ


def _move(environ: WSGIEnvironment) -> None:
    # Taken are those that are spelled like this, which the access log hides too.
    query: str = environ["QUERY_STRING"]
    parts = query.split("&")
    keys = [part for part in parts if part.startswith(_PARAMETER)]
    if not keys:
        return
    rest = "&".join(part for part in parts if not part.startswith(_PARAMETER))
    environ["QUERY_STRING"] = rest
    path = environ["RAW_URI"].partition("?")[0]
    environ["RAW_URI"] = f"{path}?{rest}" if rest else path
    if not environ.get("HTTP_AUTHORIZATION") and not environ.get("HTTP_X_API_KEY"):
        environ["HTTP_X_API_KEY"] = unquote_plus(keys[-1].removeprefix(_PARAMETER))
        environ[_FOUND] = True
