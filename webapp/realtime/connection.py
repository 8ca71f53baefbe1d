"""One Engine.IO connection: by WebSocket, by long polling, or on its way from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio.socket
import eventlet
from engineio import exceptions, packet
from engineio.packet import Packet
from engineio.payload import Payload

from webapp.realtime.frames import CloseCode, Message, Opcode, frame
from webapp.realtime.handshake import accept_websocket, malformed
from webapp.realtime.inbox import MESSAGE_BURST, Inbox
from webapp.realtime.outbox import Outbox
from webapp.realtime.seen import Seen
from webapp.realtime.transport import WebSocketTransport

if TYPE_CHECKING:
    from webapp.realtime.engine import EngineServer

PACKET_TYPES = frozenset("0123456")
SEPARATOR = "\x1e"
PONG = b"3"
BYTES_A_MESSAGE = 4_096
"""A message costs its turn as much as one and one more for each of these."""

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
        self.parting = ""
        """Why the server is about to end it, where it is."""

        self.seen: Seen | None = None
        """How far its client has come, of one that can come back for what it missed."""

        self._outbox = Outbox()
        self._inbox = Inbox()
        self._working = False
        self._pinged_at: float | None = None
        self._next_ping = 0.0

    # Sending

    def send(self, pkt: Packet) -> None:
        """Send an Engine.IO packet in its turn; a connection that is over drops it."""
        self.send_shared(pkt, to_frame(pkt) if self.upgraded else b"")

    def send_shared(self, pkt: Packet, data: bytes) -> bool:
        """Send ``pkt``, of which ``data`` is the frame; say whether it was taken."""
        if self.closed or self.parting:
            return False
        if self.transport is not None and self.upgraded:
            return self.transport.send(data)
        return self._queue(pkt)

    @property
    def pending_bytes(self) -> int:
        """How much waits to be sent."""
        if self.transport is not None and self.upgraded:
            return self.transport.pending_bytes
        return self._outbox.size

    def send_rest(self, data: bytes, sent: int) -> None:
        """Send what is left of a frame after ``direct`` has sent ``sent`` bytes of it."""
        if self.transport is not None:
            self.transport.queue_rest(data, sent)

    def send_failed(self, data: bytes, error: OSError) -> bool:
        """Deal with ``direct`` having raised ``error``; say whether ``data`` waits to be sent."""
        return self.transport is not None and self.transport.send_failed(data, error)

    def _queue(self, pkt: Packet) -> bool:
        if self._outbox.put(pkt, self.server.max_pending):
            return True
        self.overflowed()
        return False

    def poll(self) -> list[Packet]:
        """Wait for what a long-polling client is to get; raises where a poll waits already."""
        if self._outbox.is_polled:
            # Two at once are not in the protocol: their packets would get out of order.
            self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            raise exceptions.EngineIOError("two polls at once")
        return [Packet(packet.NOOP)] if self.closed else self._outbox.poll()

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
            for pkt in packets:
                self._receive_in_turn(pkt)
        except (ValueError, exceptions.EngineIOError) as error:
            self.refuse(CloseCode.PROTOCOL_ERROR, MALFORMED)
            # The client ends by this answer, and does not come back for the reason.
            raise exceptions.EngineIOError(self.parting) from error

    def _receive_in_turn(self, pkt: Packet) -> None:
        if not self.takes_more():
            raise exceptions.EngineIOError(FLOOD)
        self.server.message_turns.wait()
        self.server.message_turns.spend(1)
        if not self.closed:
            self.receive(pkt)
        if self.parting:
            raise exceptions.EngineIOError(self.parting)

    def _packets_of(self, text: str) -> list[Packet]:
        taken = PACKET_TYPES | {"b"} if self.server.takes_binary else PACKET_TYPES
        if any(part[:1] not in taken for part in text.split(SEPARATOR)):
            raise ValueError("no packet")
        return PollPayload(encoded_payload=text).packets

    def takes_more(self) -> bool:
        """Count a frame or a packet, control frames too, and part from who sends too many."""
        if self._inbox.count():
            return True
        self.refuse(CloseCode.POLICY, FLOOD)
        return False

    def received(self, message: Message) -> None:
        """Take a message of the WebSocket; called from the loop, so what may wait is spawned."""
        if message[0] is Opcode.BINARY and not self.server.takes_binary:
            self._refuse_message(CloseCode.UNSUPPORTED, "only text is understood here")
        elif not self.upgraded:
            # At once: a poll that was sent after UPGRADE must not come before it.
            self._receive_message(*message)
        elif message[1] == PONG:
            self._ponged()
        elif not self._inbox.put(message):
            self.refuse(CloseCode.POLICY, FLOOD)
        elif not self._working:
            self._working = True
            eventlet.spawn_n(self._work)

    def _work(self) -> None:
        # One green thread for all that waits, so that messages are handled in their order.
        turns = self.server.message_turns
        try:
            while message := self._inbox.take():
                turns.wait()
                turns.spend(1 + len(message[1]) / BYTES_A_MESSAGE)
                if not self.closed:
                    self._receive_message(*message)
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
            self._refuse_message(CloseCode.NOT_UTF8, "malformed: text must be UTF-8")
        except (ValueError, exceptions.EngineIOError):
            self._refuse_message(CloseCode.PROTOCOL_ERROR, MALFORMED)

    def _refuse_message(self, code: CloseCode, reason: str) -> None:
        # A WebSocket that is not changed over to yet ends alone: polling goes on without it.
        if self.upgraded:
            self.refuse(code, reason)
        else:
            self._give_up_upgrade(reason)

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
            self._outbox.wake()
        elif pkt.packet_type == packet.UPGRADE and self.upgrading and self.transport is not None:
            self.upgraded, self.upgrading = True, False
            for waiting in self._outbox.take():
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
        if self.closed or self.parting:
            return
        self.parting = reason
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
        reason = self.parting or reason or self.server.reason.SERVER_DISCONNECT
        self.server.count_end(self, reason)
        self.server._trigger_event("disconnect", self.sid, reason, run_async=False)
        if not abort:
            self.send(Packet(packet.CLOSE))
        self.closed = True
        self.direct = None
        self.server.sockets.pop(self.sid, None)
        if self.transport is not None:
            # Only a server that goes away ends a transport that is there for the transport's sake.
            is_going = reason == self.server.reason.TRANSPORT_CLOSE
            code = CloseCode.GOING_AWAY if is_going else CloseCode.NORMAL
            self.transport.close(code, reason)
        self._forget()

    def _forget(self) -> None:
        # The heartbeat keeps the connection until its next ping would be due.
        self._inbox.clear()
        if self._outbox.is_polled:
            self._outbox.wake()
        else:
            self._outbox.take()

    # Pings

    def beat(self, now: float) -> float | None:
        """Ping, or end a connection that did not answer; say when to come again."""
        if self.closed:
            return None
        if self._pinged_at is None:
            if now < self._next_ping:
                return self._next_ping
            self._pinged_at = now
            if self.seen is not None:
                self.seen.ask()
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
            if self.seen is not None:
                self.seen.confirm()


class PollPayload(Payload):
    """What a long-polling client sends at once: room for a client that joins all its rooms."""

    max_decode_packets = MESSAGE_BURST


def to_frame(pkt: Packet) -> bytes:
    """Return ``pkt`` as a frame of a WebSocket."""
    encoded = pkt.encode()
    if isinstance(encoded, str):
        return frame(Opcode.TEXT, encoded.encode())
    return frame(Opcode.BINARY, encoded)
