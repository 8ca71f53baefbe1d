"""How long one call waits for Redis and for other hosts, whatever it asks of them.

Each of them has a bound of its own; together they would be more than a publisher is promised.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CALL_SECONDS = 0.25
"""With what a call takes besides that is under the 300 ms that it may take."""

_UNBOUNDED = float("inf")


class _Call(threading.local):
    left = _UNBOUNDED


_call = _Call()


def seconds_left() -> float:
    """Return how long the current call may still wait; without end where none is under way."""
    return _call.left


def spend(seconds: float) -> None:
    """Take note that the current call has waited so long."""
    _call.left = max(0.0, _call.left - seconds)


class CallBudget:
    """WSGI middleware: gives each call of ``app`` its ``CALL_SECONDS``."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Have the app answer; what waits later on, as it is sent, waits as long as it likes."""
        _call.left = CALL_SECONDS
        try:
            return self._app(environ, start_response)
        finally:
            _call.left = _UNBOUNDED
