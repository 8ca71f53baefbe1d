"""No contender: the least that a server can do, to show how fast the load client is.

It answers a handshake, and every post with one ready-made frame to each socket, through bare
``send`` calls. It validates nothing, logs nothing and knows one room. Whatever the load client
counts here, it could have counted for a contender too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import select
import socket

HANDSHAKE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
)
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
OPEN = b'0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BODY = re.compile(rb'\A\{"event":("[^"]*")(?:,"room":"[^"]*")?,"data":(.*)\}\Z', re.DOTALL)


def frame(text: bytes) -> bytes:
    """Return ``text`` as one WebSocket frame of a server."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class Ceiling:
    """One epoll loop over a listener, WebSockets and HTTP connections."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.open: dict[int, socket.socket] = {}
        self.websockets: dict[int, socket.socket] = {}
        self.received: dict[int, bytes] = {}

    def run(self) -> None:
        """Serve until killed."""
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor == self.listener.fileno():
                    self.accept()
                else:
                    self.read(descriptor)

    def accept(self) -> None:
        """Take one connection."""
        client, _ = self.listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[client.fileno()] = client
        self.received[client.fileno()] = b""
        self.poll.register(client, select.EPOLLIN)

    def read(self, descriptor: int) -> None:
        """Take what a client sent."""
        client = self.open[descriptor]
        try:
            data = client.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self.websockets.pop(descriptor, None)
            del self.open[descriptor], self.received[descriptor]
            client.close()
        elif descriptor in self.websockets:
            self.answer_frame(client, data)
        else:
            self.received[descriptor] += data
            self.answer_request(client)

    def answer_frame(self, client: socket.socket, data: bytes) -> None:
        """Answer CONNECT and ``join``; all frames of the load client are small."""
        key, text = data[2:6], data[6 : 6 + (data[1] & 0x7F)]
        if data[1] & 0x7F == 126:
            key, text = data[4:8], data[8:]
        plain = bytes(byte ^ key[at % 4] for at, byte in enumerate(text[:8]))
        if plain.startswith(b"40"):
            client.send(frame(b'40{"sid":"x"}'))
        elif plain.startswith(b"420"):
            client.send(frame(b'430[{"ok":true}]'))

    def answer_request(self, client: socket.socket) -> None:
        """Answer a request as soon as it is whole."""
        received = self.received[client.fileno()]
        head, found, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not found or (length and len(body) < int(length[1])):
            return
        self.received[client.fileno()] = b""
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
        if key:
            digest = hashlib.sha1(key[1] + MAGIC, usedforsecurity=False).digest()
            client.send(HANDSHAKE % base64.b64encode(digest) + frame(OPEN))
            self.websockets[client.fileno()] = client
            return
        if event := BODY.match(body):
            self.deliver(frame(b"42[" + event[1] + b"," + event[2] + b"]"))
        self.accepted(client)

    def deliver(self, message: bytes) -> None:
        """Send an event to every socket."""
        for subscriber in self.websockets.values():
            subscriber.send(message)

    def accepted(self, client: socket.socket) -> None:
        """Answer a request."""
        client.send(ACCEPTED)


if __name__ == "__main__":
    Ceiling(int(os.environ["PORT"])).run()
