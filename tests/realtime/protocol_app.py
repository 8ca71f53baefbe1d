"""What the protocol's own test suite asks of a server, on Herald's engine behind Herald's worker.

The wall clock of this process is never right: it leaps by an hour each time that it is looked at.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Callable
from wsgiref.types import WSGIEnvironment

import socketio
from flask import Flask

from logger_lib import JsonObject, JsonValue
from tests.realtime.protocol_options import (
    CONNECT_TIMEOUT,
    MAX_PAYLOAD,
    NAMESPACES,
    PING_INTERVAL,
    PING_TIMEOUT,
)
from webapp.realtime.server import GatewayServer, PacketJson, SocketMiddleware
from webapp.worker import DRAIN

_real_time = time.time
_leaps = itertools.cycle([3600.0, -3600.0, 0.0])


def _leaping_time() -> float:
    return _real_time() + next(_leaps)


time.time = _leaping_time


class ImmediateDrain:
    """The worker's drain where there is nothing to keep."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server

    def sockets_open(self) -> int:
        """Return how many connections there are."""
        return len(self._server.eio.sockets)

    def serving(self, *, is_first: bool) -> None:
        """Say what the tests wait for."""
        del is_first
        sys.stderr.write("The log goes to: nowhere\n")

    def run(
        self, *, requests_open: Callable[[], int], seconds: float, beat: Callable[[], None]
    ) -> bool:
        """Close all sockets."""
        del requests_open, seconds, beat
        self._server.eio.close_all()
        return True


def make_server() -> GatewayServer:
    """Return the server, with the answers that the suite expects."""
    server = GatewayServer(
        async_mode="eventlet",
        client_manager=socketio.Manager(),
        namespaces=NAMESPACES,
        # The suite has CONNECT answered before the handler sends its first event.
        always_connect=True,
        json=PacketJson("packet_json"),
        logger=logging.getLogger("protocol"),
        engineio_logger=logging.getLogger("protocol"),
        cors_allowed_origins="*",
        max_http_buffer_size=MAX_PAYLOAD,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        monitor_clients=False,
        async_handlers=False,
    )
    server.eio.takes_binary = True
    server.eio.max_connections = 1000
    server.eio.login_seconds = CONNECT_TIMEOUT
    server.eio.is_logged_in = server.is_logged_in
    for namespace in NAMESPACES:
        Answers(server, namespace)
    return server


class Answers:
    """The handlers of one namespace."""

    def __init__(self, server: GatewayServer, namespace: str) -> None:
        self._server = server
        self._namespace = namespace
        server.on("connect", self.connect, namespace)
        server.on("message", self.message, namespace)
        server.on("message-with-ack", self.message_with_ack, namespace)

    def connect(self, sid: str, environ: WSGIEnvironment, auth: JsonObject | None) -> None:
        """Tell the client what it has logged in with."""
        del environ
        self._server.emit("auth", auth or {}, to=sid, namespace=self._namespace)

    def message(self, sid: str, *arguments: JsonValue | bytes) -> None:
        """Send the arguments back as an event."""
        self._server.emit("message-back", arguments, to=sid, namespace=self._namespace)

    def message_with_ack(
        self, sid: str, *arguments: JsonValue | bytes
    ) -> tuple[JsonValue | bytes, ...]:
        """Send the arguments back in the acknowledgement."""
        del sid
        return arguments


app = Flask("protocol")
_server = make_server()
app.extensions[DRAIN] = ImmediateDrain(_server)
app.wsgi_app = SocketMiddleware(_server, app)  # type: ignore[method-assign]  # as in webapp
