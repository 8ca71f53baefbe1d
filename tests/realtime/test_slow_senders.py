"""Clients that take their time over a request."""

import socket
from contextlib import ExitStack

from tests.services.herald import HeraldServer

HEAD = (
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n"
)
DEADLINE = 15.0


def _answer(client: socket.socket) -> bytes:
    client.settimeout(DEADLINE)
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_slow_senders(gateway: HeraldServer) -> None:
    """Who does not send a request in time is let go: a body with 408, a head without a word."""
    with ExitStack() as stack:
        half_a_body, half_a_head, half_a_second, polling, silent = (
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            for _ in range(5)
        )
        half_a_body.sendall(HEAD + b"{")
        half_a_head.sendall(HEAD[:20])
        half_a_second.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD[:20])
        polling.sendall(
            HEAD.replace(b"/events", b"/socket.io/?EIO=4&transport=polling&sid=x") + b"4"
        )
        assert _answer(half_a_body).startswith(b"HTTP/1.1 408 ")
        assert _answer(polling).startswith(b"HTTP/1.1 408 ")
        assert _answer(half_a_head) == b""
        assert _answer(half_a_second).endswith(b'{"status":"live"}')
        assert _answer(silent) == b""


def test_a_body_that_is_too_long(gateway: HeraldServer, key: str) -> None:
    """Its sender gets to read the refusal, however much is still on its way, and is let go."""
    size = 8 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        head = HEAD.replace(b"100", str(size).encode()).replace(
            b"\r\n\r\n", f"\r\nX-API-Key: {key}\r\n\r\n".encode()
        )
        client.sendall(head + b" " * size)
        assert _answer(client).startswith(b"HTTP/1.1 413 ")
