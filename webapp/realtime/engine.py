"""The Engine.IO server: how many connections there may be, and how long one may stay silent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from io import BytesIO
from urllib.parse import parse_qs
from weakref import WeakSet
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
import eventlet
import orjson

from logger_lib import JsonObject
from webapp.errors import TooManySockets, envelope
from webapp.realtime.websocket import (
    PACKET_TYPES,
    VERSIONS,
    BoundedWebSocket,
    BoundedWebSocketWSGI,
)

LOGIN_SECONDS = 15.0
"""How long a connection may take to log in to the Socket.IO namespace (as in Centrifugo)."""

MAX_PACKETS = 16
"""Packets in one polling request, as in python-engineio."""

PACKET_SEPARATOR = "\x1e"


class EngineServer(engineio.Server):
    """Refuses connections beyond ``max_connections`` and ends those that never log in."""

    max_connections = 0
    login_seconds = LOGIN_SECONDS

    def __init__(self, **options: bool) -> None:
        super().__init__(**options)
        # A table of this server's own: the driver's is shared by every server of the process.
        self._async = {**self._async, "websocket": BoundedWebSocketWSGI}
        self.is_logged_in: Callable[[str], bool] = lambda _: True
        self.websockets: WeakSet[BoundedWebSocket] = WeakSet()
        self._waiting: deque[tuple[float, str]] = deque()
        self._watching = False
        self.refused = 0
        self.never_logged_in = 0
        self.malformed = 0

    def handle_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one request; a polling one that holds no packets ends its connection."""
        refusal = self._refusal(environ)
        if refusal is None:
            return super().handle_request(environ, start_response)
        start_response(refusal["status"], refusal["headers"])
        return [refusal["response"]]

    def _refusal(self, environ: WSGIEnvironment) -> engineio.Answer | None:
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            return _upgrade_refusal(environ)
        if environ["REQUEST_METHOD"] == "POST" and not self._holds_packets(environ):
            query = parse_qs(environ.get("QUERY_STRING", ""))
            self.end_malformed(query.get("sid", [""])[0])
            return _malformed(f"send 1 to {MAX_PACKETS} Engine.IO packets of text")
        return None

    def _holds_packets(self, environ: WSGIEnvironment) -> bool:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self.max_http_buffer_size:
            return True  # refused unread, by its size
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = BytesIO(body)
        try:
            packets = body.decode().split(PACKET_SEPARATOR)
        except UnicodeDecodeError:
            return False
        return len(packets) <= MAX_PACKETS and all(packet[:1] in PACKET_TYPES for packet in packets)

    def _handle_connect(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        transport: str,
        jsonp_index: int | None = None,
    ) -> engineio.Answer | Iterable[bytes]:
        if len(self.sockets) >= self.max_connections:
            self.refused += 1
            return _no_place(
                TooManySockets("every connection is taken: try again, or another host")
            )
        return super()._handle_connect(environ, start_response, transport, jsonp_index)

    def disconnect(self, sid: str | None = None) -> None:
        """Close the connection ``sid``, or all, and never wait for what they have not read."""
        for engine_sid in list(self.sockets) if sid is None else [sid]:
            self._close(engine_sid)

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
            if not self.is_logged_in(engine_sid) and self._close(engine_sid):
                self.never_logged_in += 1
        self._watching = False

    def end_malformed(self, engine_sid: str) -> None:
        """End a connection that sent what is no packet, and count it."""
        if self._close(engine_sid):
            self.malformed += 1

    def _close(self, engine_sid: str) -> bool:
        connection = self.sockets.get(engine_sid)
        if connection is None or connection.closed:
            return False
        connection.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
        return True

    def forget(self, engine_sid: str) -> None:
        """Give the place of a connection that is closing to another."""
        self.sockets.pop(engine_sid, None)

    def close_all(self) -> None:
        """Close every connection so that its client comes back (``transport close``).

        From then on no other is let in.
        """
        self.max_connections = 0
        for connection in list(self.sockets.values()):
            connection.close(wait=False, abort=True, reason=self.reason.TRANSPORT_CLOSE)

    def cut_all(self) -> None:
        """Cut off the WebSockets that are still there: their clients do not read, or do not go."""
        for websocket in list(self.websockets):
            websocket.cut()


def _upgrade_refusal(environ: WSGIEnvironment) -> engineio.Answer | None:
    # Asked before there is a connection, as python-engineio would keep one whose upgrade fails.
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") not in VERSIONS:
        answer = _malformed("speak WebSocket in version 13", "426 UPGRADE REQUIRED")
        answer["headers"].append(("Sec-WebSocket-Version", ", ".join(VERSIONS)))
        return answer
    upgrade = [part.strip() for part in environ.get("HTTP_CONNECTION", "").lower().split(",")]
    if "upgrade" not in upgrade or not environ.get("HTTP_SEC_WEBSOCKET_KEY"):
        return _malformed("a WebSocket begins with Connection: Upgrade and Sec-WebSocket-Key")
    return None


def _malformed(message: str, status: str = "400 BAD REQUEST") -> engineio.Answer:
    return _answer(status, envelope("malformed_request", message))


def _no_place(error: TooManySockets) -> engineio.Answer:
    answer = _answer("503 SERVICE UNAVAILABLE", error.to_wire())
    answer["headers"].append(("Retry-After", str(error.retry_after)))
    return answer


def _answer(status: str, body: JsonObject) -> engineio.Answer:
    response = orjson.dumps(body)
    return {
        "status": status,
        "headers": [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(response))),
        ],
        "response": response,
    }
