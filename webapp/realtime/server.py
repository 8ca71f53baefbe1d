"""The Socket.IO server in front of the Flask app, on the same port."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
import orjson
import socketio
from flask import Flask
from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused
from socketio.packet import CONNECT_ERROR

from logger_lib import JsonValue, Logger
from webapp.realtime.engine import EngineServer
from webapp.realtime.library_log import library_logger
from webapp.realtime.rooms import NAMESPACE, RoomManager

PATH = "/socket.io/"
_CATCH_ALL = "*"
_NO_BODY = io.BytesIO()

MAX_MESSAGE_BYTES = 65_536
"""The size of a message from a client, whole or in fragments, and of a polling request."""

PING_INTERVAL = 25
"""Seconds; below the 55 s after which Heroku's router cuts a connection that says nothing."""

PING_TIMEOUT = 20


class PacketJson(ModuleType):
    """The JSON of Socket.IO packets, by orjson, in the form that python-socketio asks for."""

    @staticmethod
    def dumps(value: JsonValue, *, separators: tuple[str, str] = (",", ":")) -> str:
        """Return ``value`` as JSON; orjson leaves no spaces anyway."""
        del separators
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str) -> JsonValue:
        """Return what ``text`` says; raises ``ValueError`` where it is not JSON."""
        value: JsonValue = orjson.loads(text)
        return value


class MalformedPacket(ValueError):
    """A client sent what no client of Herald has to say."""


class GatewayServer(socketio.Server):
    """python-socketio's server over our own Engine.IO server and rooms.

    A client joins and leaves rooms and sends nothing else, least of all binary data, whose parts
    python-socketio would keep until the last has come. Who sends what cannot be read is closed.
    """

    manager: RoomManager
    if TYPE_CHECKING:
        eio: EngineServer

    def _engineio_server_class(self) -> type[engineio.Server]:
        return EngineServer

    def _handle_eio_connect(self, eio_sid: str, environ: WSGIEnvironment) -> None:
        super()._handle_eio_connect(eio_sid, _kept_of(environ))
        self.eio.await_login(eio_sid)

    def _handle_eio_message(self, eio_sid: str, data: JsonValue | bytes) -> None:
        try:
            if not isinstance(data, (str, bytes) if self.eio.takes_binary else str):
                # What is JSON has been read as such: `true` would pass for the packet 1.
                raise MalformedPacket("neither text nor binary data that is taken")
            super()._handle_eio_message(eio_sid, data)
            if not self.eio.takes_binary and self._binary_packet.pop(eio_sid, None) is not None:
                raise MalformedPacket("a packet with binary parts")
        except ValueError:
            self.eio.end_malformed(eio_sid)

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: JsonValue) -> None:
        if (namespace or NAMESPACE) not in self.namespaces:
            self._refuse_connect(eio_sid, namespace, "Invalid namespace")
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace or NAMESPACE) is not None:
            self._refuse_connect(eio_sid, namespace, "connected already: disconnect first")
            return
        self._connect(eio_sid, namespace, data)
        if eio_sid not in self.environ:
            # The client went while its token was looked up; nobody else takes its socket out.
            self._forget(self.manager.sid_from_eio_sid(eio_sid, namespace or NAMESPACE), namespace)

    def _connect(self, eio_sid: str, namespace: str | None, data: JsonValue) -> None:
        super()._handle_connect(eio_sid, namespace, data)

    def _forget(self, sid: str | None, namespace: str | None) -> None:
        if sid is not None:
            self.manager.disconnect(sid, namespace or NAMESPACE, ignore_queue=True)

    def _refuse_connect(self, eio_sid: str, namespace: str | None, message: str) -> None:
        refusal = self.packet_class(CONNECT_ERROR, data={"message": message}, namespace=namespace)
        self._send_packet(eio_sid, refusal)

    def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        was_logged_in = self.is_logged_in(eio_sid)
        super()._handle_disconnect(eio_sid, namespace, reason)
        if was_logged_in:
            # A client may leave the namespace and keep the connection: it has to log in anew.
            self.eio.await_login(eio_sid)

    def _handle_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: JsonValue | None
    ) -> None:
        # The names of the handlers that are the server's own to call must not come from outside.
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise MalformedPacket("not an event")
        if data[0] in self.reserved_events or data[0] == _CATCH_ALL:
            raise MalformedPacket("a reserved event")
        super()._handle_event(eio_sid, namespace, id, data)

    def is_logged_in(self, eio_sid: str) -> bool:
        """Say whether the connection ``eio_sid`` has been accepted into a namespace."""
        return any(
            self.manager.is_connected(self.manager.sid_from_eio_sid(eio_sid, name), name)
            for name in self.namespaces
        )


class RoomServer(GatewayServer):
    """The server whose sockets are in our rooms, and may come back for what they missed."""

    let_in_otherwise: Callable[[str, JsonValue], None] | None = None
    """Connects a socket that is admitted, by its sid and what its client has sent with it."""

    def _connect(self, eio_sid: str, namespace: str | None, data: JsonValue) -> None:
        sid = self.manager.pre_connect(eio_sid, namespace or NAMESPACE)
        try:
            if sid is not None and self._is_admitted(eio_sid, sid, data):
                (self.let_in_otherwise or self._let_in)(sid, data)
        finally:
            # It may have another by now, or have gone to another connection.
            sid = self.manager.sid_from_eio_sid(eio_sid, NAMESPACE)
            if not self.manager.is_connected(sid, NAMESPACE):
                self._forget(sid, NAMESPACE)

    def _is_admitted(self, eio_sid: str, sid: str, data: JsonValue) -> bool:
        """Ask the handler; whom it refuses is told why."""
        try:
            self._trigger_event("connect", NAMESPACE, sid, self.environ[eio_sid], data or None)
        except ConnectionRefused as refusal:
            refused = self.packet_class(CONNECT_ERROR, data=refusal.error_args, namespace=NAMESPACE)
            self._send_packet(eio_sid, refused)
            return False
        return eio_sid in self.environ

    def _let_in(self, sid: str, data: JsonValue) -> None:
        del data
        member = self.manager.member(sid)
        if member is not None:
            self.manager.greet(member)
            self.manager.connect(sid, NAMESPACE)

    def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        connection = self.eio.sockets.get(eio_sid)
        if connection is not None and not connection.closing:
            # It is the client that leaves, and not its connection that has ended.
            self.manager.leaves_for_good(self.manager.sid_from_eio_sid(eio_sid, NAMESPACE))
        super()._handle_disconnect(eio_sid, namespace, reason)

    def is_logged_in(self, eio_sid: str) -> bool:
        """Say whether the connection ``eio_sid`` has been accepted; it may catch up, still."""
        sid = self.manager.sid_from_eio_sid(eio_sid, NAMESPACE)
        member = self.manager.member(sid) if sid is not None else None
        return member is not None and not member.leaving and (member.connected or bool(member.pid))


class SocketServer(SocketIO):
    """Flask-SocketIO with Herald's server in the place of the stock one."""

    def __init__(
        self,
        app: Flask,
        rooms: RoomManager,
        *,
        max_connections: int,
        queue_bytes: int,
        takes_polling: bool,
        has_peers: bool,
        origin_allowed: Callable[[str | None, WSGIEnvironment], bool],
        logger: Logger,
    ) -> None:
        super().__init__()
        library = library_logger(logger)
        self.manage_session = False
        server = RoomServer(
            async_mode="eventlet",
            client_manager=rooms,
            json=PacketJson("packet_json"),
            logger=library,
            engineio_logger=library,
            cors_allowed_origins=origin_allowed,
            # Sockets log in with a token; a browser's cookies have no business here.
            cors_credentials=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            # The heartbeat does it.
            monitor_clients=False,
            # Each connection handles its messages in their order, in a green thread of its own.
            async_handlers=False,
        )
        server.eio.max_connections = max_connections
        server.eio.max_pending = queue_bytes
        server.eio.takes_polling = takes_polling
        server.eio.has_peers = has_peers
        server.eio.is_logged_in = server.is_logged_in
        self.server = server
        self.async_mode = server.async_mode
        self.failures = logger
        """What is told of failures that no client can be told of."""

        self._gateway = server
        self._engine = server.eio
        app.extensions["socketio"] = self
        app.wsgi_app = SocketMiddleware(server, app)  # type: ignore[method-assign]  # the way Flask documents for middleware

    @property
    def engine(self) -> EngineServer:
        """The connections beneath the sockets."""
        return self._engine

    def let_in_by(self, let_in: Callable[[str, JsonValue], None]) -> None:
        """Have ``let_in`` connect the sockets that are admitted."""
        self._gateway.let_in_otherwise = let_in

    def close_all(self) -> None:
        """Close every socket so that its client comes back, here or on another host."""
        self._engine.close_all()


class SocketMiddleware:
    """Sends ``/socket.io/`` to the Socket.IO server and everything else to Flask."""

    def __init__(self, server: GatewayServer, app: Flask) -> None:
        self._server = server
        self._app = app
        self._http = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not environ["PATH_INFO"].startswith(PATH):
            return self._http(environ, start_response)
        environ["flask.app"] = self._app  # where Flask-SocketIO looks for it
        return self._server.handle_request(environ, start_response)


def _kept_of(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Return what is kept for as long as a socket is connected: text, and not the request."""
    kept = {name: value for name, value in environ.items() if isinstance(value, str)}
    return {**kept, "flask.app": environ["flask.app"], "wsgi.input": _NO_BODY}
