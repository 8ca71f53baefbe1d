"""One Engine.IO connection: by WebSocket, by long polling, or on its way from one to the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio.socket
import eventlet
from engineio import exceptions, packet
from engineio.packet import Packet
from engineio.payload import Payload
from eventlet.event import Event

from webapp.realtime.frames import CloseCode, Message, Opcode, frame
from webapp.realtime.handshake import accept_websocket, malformed
from webapp.realtime.transport import WebSocketTransport

if TYPE_CHECKING:
    from webapp.realtime.engine import EngineServer

MESSAGES_PER_SECOND = 100.0
MESSAGE_BURST = 300
"""What one client may send; a client that joins its hundred rooms at once stays far below."""

PACKET_TYPES = frozenset("0123456")
SEPARATOR = "\x1e"
PONG = b"3"
SLOW = "slow: the client does not read what is sent to it"
MALFORMED = "malformed: the client sends what it has no reason to"
FLOOD = "flood: the client sends too many messages"


class Connection(engineio.socket.Socket):
    """The server's side of one client, whatever the transport."""

    server: EngineServer

    def __init__(self, server: EngineServer, sid: str) -> None:
        # Not the base's: it would make a queue, of which an idle WebSocket has no need.
        self.server = server
        self.sid = sid
        self.connected = False
        self.upgrading = False
        self.upgraded = False
        self.closing = False
        self.closed = False
        self.session: dict[str, str] = {}
        self.socket_id = ""
        """The id that it has in the Socket.IO namespace."""

        self.direct: Callable[[bytes], int] | None = None
        self.transport: WebSocketTransport | None = None
        self._outbox: deque[Packet] = deque()
        self._outbox_bytes = 0
        self._poll: Event | None = None
        self._inbox: deque[Message] = deque()
        self._working = False
        self._pinged_at: float | None = None
        self._next_ping = 0.0
        self._tokens = float(MESSAGE_BURST)
        self._counted_at = time.monotonic()

    # Sending

    def send(self, pkt: Packet) -> None:
        """Send an Engine.IO packet in its turn; a connection that is over drops it."""
        self.send_shared(pkt, to_frame(pkt) if self.upgraded else b"")

    def send_shared(self, pkt: Packet, data: bytes) -> bool:
        """Send ``pkt``, of which ``data`` is the frame; say whether it was taken."""
        if self.closed:
            return False
        if self.transport is not None and self.upgraded:
            return self.transport.send(data)
        return self._queue(pkt)

    def send_rest(self, data: bytes, sent: int) -> None:
        """Send what is left of a frame after ``direct`` has sent ``sent`` bytes of it."""
        if self.transport is not None:
            self.transport.queue_rest(data, sent)

    def send_failed(self, data: bytes, error: OSError) -> bool:
        """Deal with ``direct`` having raised ``error``; say whether ``data`` waits to be sent."""
        return self.transport is not None and self.transport.send_failed(data, error)

    def _queue(self, pkt: Packet) -> bool:
        size = len(pkt.encode(b64=True))
        if self._outbox and self._outbox_bytes + size > self.server.max_pending:
            self.overflowed()
            return False
        self._outbox.append(pkt)
        self._outbox_bytes += size
        self._wake_poll()
        return True

    def poll(self) -> list[Packet]:
        """Wait for what a long-polling client is to get; raises where a poll waits already."""
        if self._poll is not None:
            # Two at once are not in the protocol: their packets would get out of order.
            self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            raise exceptions.EngineIOError("two polls at once")
        if not self._outbox and not self.closed:
            self._poll = Event()
            try:
                self._poll.wait()
            finally:
                self._poll = None
        return self._take_outbox() or [Packet(packet.NOOP)]

    def _take_outbox(self) -> list[Packet]:
        packets = list(self._outbox)
        self._outbox.clear()
        self._outbox_bytes = 0
        return packets

    def _wake_poll(self) -> None:
        if self._poll is not None and not self._poll.ready():
            self._poll.send()

    # Receiving

    def handle_get_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> list[Packet] | Iterable[bytes] | engineio.Answer:
        """Answer a poll, or take the WebSocket that a polling client changes over to."""
        del start_response
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            if self.transport is not None:
                return malformed("this session is changing over to another WebSocket")
            return self.attach(environ)
        return [Packet(packet.NOOP)] if self.upgrading else self.poll()

    def handle_post_request(self, environ: WSGIEnvironment) -> None:
        """Take the packets that a long-polling client sends."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self.server.max_http_buffer_size:
            raise exceptions.ContentTooLongError
        try:
            packets = self._packets_of(environ["wsgi.input"].read(length).decode())
        except ValueError as error:
            raise exceptions.EngineIOError(str(error)) from error
        for pkt in packets:
            if self._is_flood():
                raise exceptions.EngineIOError("too many messages")
            self.receive(pkt)

    def _packets_of(self, text: str) -> list[Packet]:
        taken = PACKET_TYPES | {"b"} if self.server.takes_binary else PACKET_TYPES
        if any(part[:1] not in taken for part in text.split(SEPARATOR)):
            raise ValueError("no packet")
        return PollPayload(encoded_payload=text).packets

    def takes_more(self) -> bool:
        """Count a frame of the WebSocket, control frames too, and part from who sends too many."""
        if self._is_flood():
            self.refuse(CloseCode.POLICY, FLOOD)
            return False
        return True

    def received(self, message: Message) -> None:
        """Take a message of the WebSocket; called from the loop, so what may wait is spawned."""
        if message[0] is Opcode.BINARY and not self.server.takes_binary:
            self.refuse(CloseCode.UNSUPPORTED, "only text is understood here")
        elif not self.upgraded:
            # At once: a poll that was sent after UPGRADE must not come before it.
            self._receive_message(*message)
        elif message[1] == PONG:
            self._ponged()
        else:
            self._inbox.append(message)
            if not self._working:
                self._working = True
                eventlet.spawn_n(self._work)

    def _work(self) -> None:
        # One green thread for all that waits, so that messages are handled in their order.
        try:
            while self._inbox and not self.closed:
                self._receive_message(*self._inbox.popleft())
        finally:
            self._working = False

    def _receive_message(self, opcode: Opcode, payload: bytes) -> None:
        try:
            pkt = self._decode(opcode, payload)
            if self.upgraded:
                self.receive(pkt)
            else:
                self._receive_upgrade(pkt)
        except exceptions.UnknownPacketError:
            return  # it means nothing at this time, and does no harm
        except UnicodeDecodeError:
            self.refuse(CloseCode.NOT_UTF8, "malformed: text must be UTF-8")
        except (ValueError, exceptions.EngineIOError):
            self.refuse(CloseCode.PROTOCOL_ERROR, MALFORMED)

    def _decode(self, opcode: Opcode, payload: bytes) -> Packet:
        if opcode is Opcode.BINARY:
            return Packet(encoded_packet=payload)
        text = payload.decode()
        # Python takes the digits of every script for digits, and base64 is for polling.
        if text[:1] not in PACKET_TYPES:
            raise ValueError(text[:1])
        return Packet(encoded_packet=text)

    def receive(self, pkt: Packet) -> None:
        """Act on a packet of the client; raises for one that the protocol does not know."""
        if pkt.packet_type == packet.MESSAGE:
            self.server._trigger_event("message", self.sid, pkt.data, run_async=False)
        elif pkt.packet_type == packet.PONG:
            self._ponged()
        elif pkt.packet_type == packet.CLOSE:
            self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
        else:
            raise exceptions.UnknownPacketError("this packet has no place here")

    def _is_flood(self) -> bool:
        now = time.monotonic()
        earned = (now - self._counted_at) * MESSAGES_PER_SECOND
        self._tokens = min(self._tokens + earned, MESSAGE_BURST) - 1
        self._counted_at = now
        return self._tokens < 0

    # The change from polling to WebSocket

    def attach(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Take over the WebSocket that ``environ`` asks for; return an answer without a word."""
        descriptor, sent_ahead = accept_websocket(environ)
        is_upgrade = self.connected
        if not is_upgrade:
            self.connected = self.upgraded = True
        self.transport = WebSocketTransport(
            descriptor,
            self,
            max_message=self.server.max_http_buffer_size,
            max_pending=self.server.max_pending,
            sent_ahead=sent_ahead,
        )
        if is_upgrade:
            eventlet.spawn_after(
                self.server.upgrade_seconds, self._end_slow_upgrade, self.transport
            )
        return ()

    def _receive_upgrade(self, pkt: Packet) -> None:
        if pkt.packet_type == packet.PING and pkt.data == "probe" and not self.upgrading:
            self._send_now(Packet(packet.PONG, "probe"))
            # From here on packets wait for the WebSocket, and the poll that hangs is let go.
            self.upgrading = True
            self._wake_poll()
        elif pkt.packet_type == packet.UPGRADE and self.upgrading and self.transport is not None:
            self.upgraded, self.upgrading = True, False
            for waiting in self._take_outbox():
                self._send_now(waiting)
            self.direct = self.transport.sender
        else:
            self._give_up_upgrade("An upgrade begins with a probe.")

    def _send_now(self, pkt: Packet) -> None:
        if self.transport is not None:
            self.transport.send(to_frame(pkt))

    def _end_slow_upgrade(self, transport: WebSocketTransport) -> None:
        # The one that was begun then, and not another that has followed it.
        if self.transport is transport:
            self._give_up_upgrade("The upgrade took too long.")

    def _give_up_upgrade(self, reason: str) -> None:
        if not self.upgraded and self.transport is not None:
            self.transport.close(CloseCode.POLICY, reason)
            self.disconnected()

    # The end

    def ready(self, send: Callable[[bytes], int] | None) -> None:
        """Take note whether frames may be sent without a queue."""
        self.direct = send if self.upgraded else None

    def overflowed(self) -> None:
        """Part from a client that does not read what is sent to it."""
        self.refuse(CloseCode.TRY_AGAIN_LATER, SLOW)

    def disconnected(self) -> None:
        """Take note that the WebSocket is gone: the end, or only that of an upgrade."""
        if self.upgraded:
            self.server.end_soon(self, self.server.reason.TRANSPORT_CLOSE)
        else:
            self.transport = None
            self.upgrading = False

    def refuse(self, code: CloseCode, reason: str) -> None:
        """Part from the client without sending it what waits, but with a code and a reason."""
        if not self.upgraded and self.transport is not None:
            self._give_up_upgrade(reason)
            return
        if self.transport is not None:
            self.transport.cut(code, reason)
        # Not here: this may be the middle of a broadcast, or the loop itself.
        self.server.end_soon(self, reason)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """End the connection; ``abort`` leaves out the packet that tells the client so."""
        del wait
        if self.closing:
            return
        self.closing = True
        reason = reason or self.server.reason.SERVER_DISCONNECT
        self.server.count_end(self, reason)
        self.server._trigger_event("disconnect", self.sid, reason, run_async=False)
        if not abort:
            self.send(Packet(packet.CLOSE))
        self.closed = True
        self.direct = None
        self.server.sockets.pop(self.sid, None)
        if self.transport is not None:
            self.transport.close(CloseCode.NORMAL, reason)
        self._wake_poll()

    # Pings

    def beat(self, now: float) -> float | None:
        """Ping, or end a connection that did not answer; say when to come again."""
        if self.closed:
            return None
        if self._pinged_at is None:
            if now < self._next_ping:
                return self._next_ping
            self._pinged_at = now
            self.send(Packet(packet.PING))
        deadline = self._pinged_at + self.server.ping_timeout
        if now >= deadline:
            self.close(wait=False, reason=self.server.reason.PING_TIMEOUT)
            return None
        return min(deadline, now + self.server.ping_interval)

    def _ponged(self) -> None:
        if self._pinged_at is not None:
            self._next_ping = self._pinged_at + self.server.ping_interval
            self._pinged_at = None


class PollPayload(Payload):
    """What a long-polling client sends at once: room for a client that joins all its rooms."""

    max_decode_packets = MESSAGE_BURST


def to_frame(pkt: Packet) -> bytes:
    """Return ``pkt`` as a frame of a WebSocket."""
    encoded = pkt.encode()
    if isinstance(encoded, str):
        return frame(Opcode.TEXT, encoded.encode())
    return frame(Opcode.BINARY, encoded)
