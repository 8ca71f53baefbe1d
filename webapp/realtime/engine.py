"""The Engine.IO server: how many connections there may be, and how long one may stay silent."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Unpack
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
import eventlet
from cachetools import TTLCache
from engineio import exceptions, packet
from engineio.packet import Packet

from webapp.errors import TooManyRequests, TooManySockets, envelope
from webapp.realtime.connection import FLOOD, MALFORMED, SLOW, Connection
from webapp.realtime.frames import CloseCode
from webapp.realtime.handshake import answer_of, malformed, upgrade_refusal
from webapp.realtime.heartbeat import Heartbeat
from webapp.realtime.transports import polling_refused, session_unknown
from webapp.realtime.turns import Turns
from webapp.setting_values import POLLING, WEBSOCKET

LOGIN_SECONDS = 15.0
"""How long a connection may take to log in to the Socket.IO namespace (as in Centrifugo)."""

UPGRADE_SECONDS = 10.0
"""How long a client may take to change over to the WebSocket that it has opened."""

PARTING_REASONS = frozenset({SLOW, FLOOD, MALFORMED})
"""The ends that an operator wants to hear of."""

ENDS_A_TURN = 100
"""How many connections are ended before others get their turn."""

MESSAGES_A_TURN = 20
"""How many messages of all clients are handled before others get their turn: some 5 ms of work."""

MOST_PARTINGS = 1_000
PARTING_SECONDS = 60.0
"""For how many sessions, and how long, it is kept why they were ended, should they ask."""

METHODS = frozenset({"GET", "POST", "OPTIONS"})


class EngineServer(engineio.Server):
    """Refuses connections beyond ``max_connections`` and ends those that never log in."""

    sockets: dict[str, Connection]
    max_connections = 0
    max_pending = 1_048_576
    """Bytes that may wait for one client that does not read."""

    takes_binary = False
    """Whether a client may send binary data: Herald's have no reason to."""

    takes_polling = True
    has_peers = False
    """Whether a session that is not known here may be that of another process or host."""

    login_seconds = LOGIN_SECONDS
    upgrade_seconds = UPGRADE_SECONDS

    def __init__(self, **options: Unpack[engineio.Options]) -> None:
        super().__init__(**options)
        self.is_logged_in: Callable[[str], bool] = lambda _: True
        self.check_connect: Callable[[str | None], None] = lambda _: None
        self.on_parted: Callable[[str, str], None] = lambda _sid, _reason: None
        self.disconnects: Counter[str] = Counter()
        self.refused = 0
        self.polling_refused = 0
        self.sessions_unknown = 0
        self.never_logged_in = 0
        self.malformed = 0
        self.message_turns = Turns(MESSAGES_A_TURN)
        self._partings: TTLCache[str, str] = TTLCache(MOST_PARTINGS, PARTING_SECONDS)
        self._heartbeat = Heartbeat(self.ping_interval, self.logger)
        self._waiting: deque[tuple[float, str]] = deque()
        self._watching = False
        self._ending: deque[tuple[Connection, str]] = deque()
        self._is_ending = False

    def handle_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one request; what the protocol does not know is a bad request, not a guess."""
        refusal = self._refusal(environ)
        if refusal is None:
            return super().handle_request(environ, start_response)
        start_response(refusal["status"], refusal["headers"] + self._cors_headers(environ))
        return [refusal["response"]]

    def _refusal(self, environ: WSGIEnvironment) -> engineio.Answer | None:
        if environ["REQUEST_METHOD"] not in METHODS:
            return malformed("send GET or POST")
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if "transport" not in query:
            return malformed("name a transport: polling or websocket")
        sid = query.get("sid", [""])[0]
        parting = self._partings.get(sid)
        if parting is not None:
            return _ended(parting)
        if environ["REQUEST_METHOD"] != "OPTIONS":
            refusal = self._refusal_of_transport(query["transport"][0], sid)
            if refusal is not None:
                return refusal
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            # Asked before there is a connection, so that none is left behind.
            return upgrade_refusal(environ)
        return None

    def _refusal_of_transport(self, transport: str, sid: str) -> engineio.Answer | None:
        if transport == POLLING and not self.takes_polling:
            self.polling_refused += 1
            return polling_refused()
        if sid and self.has_peers and sid not in self.sockets:
            self.sessions_unknown += 1
            return session_unknown()
        return None

    def _handle_connect(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        transport: str,
        jsonp_index: int | None = None,
    ) -> engineio.Answer | Iterable[bytes]:
        del start_response
        if len(self.sockets) >= self.max_connections:
            self.refused += 1
            return _not_now(TooManySockets("all connections are taken: try again later"))
        try:
            self.check_connect(environ.get("REMOTE_ADDR"))
        except TooManyRequests as error:
            return _not_now(error)
        connection = Connection(self, self.generate_id())
        taken = connection.attach(environ) if transport == WEBSOCKET else None
        # Not before: a client that is gone by now must not take a place for ever.
        self.sockets[connection.sid] = connection
        self._trigger_event("connect", connection.sid, environ, run_async=False)
        connection.send(self._opening(connection.sid, transport))
        self._heartbeat.start(connection)
        if taken is not None:
            return taken
        connection.connected = True
        return self._ok(connection.poll(), jsonp_index=jsonp_index)

    def _opening(self, sid: str, transport: str) -> Packet:
        return Packet(
            packet.OPEN,
            {
                "sid": sid,
                "upgrades": [WEBSOCKET] if transport == POLLING else [],
                "pingTimeout": int(self.ping_timeout * 1000),
                "pingInterval": int(self.ping_interval * 1000),
                "maxPayload": self.max_http_buffer_size,
            },
        )

    def end_soon(self, connection: Connection, reason: str) -> None:
        """End ``connection``, whose client is not to be told, in its turn."""
        self._ending.append((connection, reason))
        if not self._is_ending:
            self._is_ending = True
            eventlet.spawn_n(self._end_all)

    def _end_all(self) -> None:
        # When all clients leave at once, others get their turn in between.
        while self._ending:
            for _ in range(min(len(self._ending), ENDS_A_TURN)):
                connection, reason = self._ending.popleft()
                try:
                    connection.close(wait=False, abort=True, reason=reason)
                except Exception:
                    # This one must not keep the others from ending.
                    self.logger.exception("ending a connection")
            eventlet.sleep(0)
        self._is_ending = False

    def count_end(self, connection: Connection, reason: str) -> None:
        """Count an end of a connection by its reason; tell of one that was our doing."""
        self.disconnects[reason] += 1
        if reason in PARTING_REASONS:
            self._partings[connection.sid] = reason
            self.on_parted(connection.socket_id, reason)

    def _bad_request(self, message: str | None = None) -> engineio.Answer:
        error = sys.exception()
        if isinstance(error, exceptions.EngineIOError) and str(error) in PARTING_REASONS:
            # The base class asks from within its handler, and does not say for what.
            return _ended(str(error))
        return malformed(message or "this is not what the Engine.IO protocol says")

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
            try:
                self._end_if_silent(engine_sid)
            except Exception:
                # This one must not keep the others' time from running out.
                self.logger.exception("ending a silent connection")
        self._watching = False

    def end_malformed(self, engine_sid: str) -> None:
        """End a connection that sent what is no packet, and count it."""
        connection = self.sockets.get(engine_sid)
        if connection is not None:
            self.malformed += 1
            connection.refuse(CloseCode.PROTOCOL_ERROR, MALFORMED)

    def disconnect(self, sid: str | None = None) -> None:
        """Close the connection ``sid``, or all."""
        for connection in list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]:
            if connection is not None:
                connection.close(reason=self.reason.SERVER_DISCONNECT)

    def _end_if_silent(self, engine_sid: str) -> None:
        connection = self.sockets.get(engine_sid)
        if connection is not None and not self.is_logged_in(engine_sid):
            self.never_logged_in += 1
            connection.close(reason=self.reason.SERVER_DISCONNECT)

    def close_all(self) -> None:
        """Close every connection so that its client comes back (``transport close``).

        From then on no other is let in.
        """
        self.max_connections = 0
        for connection in list(self.sockets.values()):
            connection.close(wait=False, abort=True, reason=self.reason.TRANSPORT_CLOSE)


def _ended(reason: str) -> engineio.Answer:
    return answer_of("400 BAD REQUEST", envelope("session_ended", reason))


def _not_now(error: TooManySockets | TooManyRequests) -> engineio.Answer:
    answer = answer_of(f"{error.status} {HTTPStatus(error.status).phrase.upper()}", error.to_wire())
    answer["headers"].append(("Retry-After", str(error.retry_after)))
    return answer
