"""The Engine.IO server: how many connections there may be, and how long one may stay silent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
import eventlet
import orjson

from webapp.errors import TooManySockets
from webapp.realtime.websocket import BoundedWebSocketWSGI

LOGIN_SECONDS = 15.0
"""How long a connection may take to log in to the Socket.IO namespace (as in Centrifugo)."""


class EngineServer(engineio.Server):
    """Refuses connections beyond ``max_connections`` and ends those that never log in."""

    max_connections = 0
    login_seconds = LOGIN_SECONDS

    def __init__(self, **options: bool) -> None:
        super().__init__(**options)
        # A table of this server's own: the driver's is shared by every server of the process.
        self._async = {**self._async, "websocket": BoundedWebSocketWSGI}
        self.is_logged_in: Callable[[str], bool] = lambda _: True
        self._waiting: deque[tuple[float, str]] = deque()
        self._watching = False
        self.refused = 0
        self.never_logged_in = 0

    def _handle_connect(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        transport: str,
        jsonp_index: int | None = None,
    ) -> engineio.Answer | Iterable[bytes]:
        if len(self.sockets) >= self.max_connections:
            self.refused += 1
            return _refusal(TooManySockets("every connection is taken: try again, or another host"))
        return super()._handle_connect(environ, start_response, transport, jsonp_index)

    def await_login(self, engine_sid: str) -> None:
        """End the connection ``engine_sid`` unless it is logged in when its time is up."""
        self._waiting.append((time.monotonic() + self.login_seconds, engine_sid))
        if not self._watching:
            self._watching = True
            eventlet.spawn(self._end_silent_connections)

    def _end_silent_connections(self) -> None:
        # Every connection has the same time, so they come due in the order of their arrival.
        while self._waiting:
            due, engine_sid = self._waiting[0]
            wait = due - time.monotonic()
            if wait > 0:
                eventlet.sleep(wait)
                continue
            self._waiting.popleft()
            self._end_if_silent(engine_sid)
        self._watching = False

    def _end_if_silent(self, engine_sid: str) -> None:
        connection = self.sockets.get(engine_sid)
        if connection is None or connection.closed or self.is_logged_in(engine_sid):
            return
        self.never_logged_in += 1
        connection.close(wait=False, reason=self.reason.SERVER_DISCONNECT)

    def close_all(self) -> None:
        """Close every connection so that its client comes back (``transport close``)."""
        for connection in list(self.sockets.values()):
            connection.close(wait=False, abort=True, reason=self.reason.TRANSPORT_CLOSE)


def _refusal(error: TooManySockets) -> engineio.Answer:
    return {
        "status": "503 SERVICE UNAVAILABLE",
        "headers": [
            ("Content-Type", "application/json"),
            ("Retry-After", str(error.retry_after)),
        ],
        "response": orjson.dumps(error.to_wire()),
    }
