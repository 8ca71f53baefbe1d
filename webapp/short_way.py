"""The short way of a call in which nothing is out of the ordinary: around Flask.

A request context, routing and a response object cost more than all that Herald does to an event.
So a call that is as it should be is answered here, and any other goes to Flask, whose views alone
know how to refuse. What is answered here, and how, is the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import orjson

from logger_lib import JsonObject
from webapp.json_body import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask


class Prepared(NamedTuple):
    """A good call: what answers it, and what the answer's head says besides."""

    call: Callable[[], JsonObject]
    headers: list[tuple[str, str]]


Prepare: TypeAlias = "Callable[[WSGIEnvironment, bytes], Prepared | None]"
"""Looks at the environ and the body of a call, and returns what answers it; ``None``: it is for
Flask. Nothing is changed but what a rate limit has counted."""

_ACCEPTED = "202 ACCEPTED"
_JSON = ("Content-Type", "application/json")
JSON_ONLY = frozenset({"application/json"})


class Route(NamedTuple):
    """What is looked at on the short way, of the calls of ``POST`` to one path."""

    prepare: Prepare
    media: frozenset[str] = JSON_ONLY
    """The values of ``Content-Type`` with which it is; any other is Flask's to take apart."""


class ShortWay:
    """WSGI middleware around ``app``: answers good calls of the paths in ``routes`` with a 202.

    What fails after the preparation is not tried again: its error is answered by ``app``'s own
    error handlers.
    """

    def __init__(self, app: Flask, routes: Mapping[str, Route]) -> None:
        self._app = app
        self._routes = dict(routes)
        self._rest: WSGIApplication = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the call, or have Flask do it."""
        route = self._routes.get(environ["PATH_INFO"])
        if route is None or environ["REQUEST_METHOD"] != "POST":
            return self._rest(environ, start_response)
        prepared = _prepared(route, environ)
        if prepared is None:
            return self._rest(environ, start_response)
        try:
            body = orjson.dumps(prepared.call())
        except Exception as error:  # noqa: BLE001  handed to the handlers that Flask would ask
            with self._app.request_context(environ):
                response = self._app.make_response(self._app.handle_user_exception(error))
            response.headers.extend(prepared.headers)
            return response(environ, start_response)
        start_response(_ACCEPTED, [_JSON, ("Content-Length", str(len(body))), *prepared.headers])
        return [body]


def _prepared(route: Route, environ: WSGIEnvironment) -> Prepared | None:
    body = environ["wsgi.input"]
    # Where a body is still to be read it is Flask's to bound; our own worker has it whole.
    if type(body) is not io.BytesIO or environ.get("CONTENT_TYPE") not in route.media:
        return None
    raw = body.getvalue()
    return route.prepare(environ, raw) if len(raw) <= MAX_BODY_BYTES else None
