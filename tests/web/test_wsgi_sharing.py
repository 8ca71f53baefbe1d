"""How the worker shares itself among connections, and where it listens."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.services.herald import HeraldServer, wait_until
from tests.services.raw_http import RawHttp
from tests.web.test_wsgi import request

FLOOD = b"1\r\na\r\n" * 8_000
"""Chunks that come with a single receive."""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(("Content-Length: 150000", b"a" * 150_000), id="a length"),
        pytest.param(("Transfer-Encoding: chunked", b"1e000\r\n" + b"a" * 122_880), id="a chunk"),
        pytest.param(("Transfer-Encoding: chunked", FLOOD), id="many chunks"),
    ],
)
def test_a_body_that_is_there_waits_for_others(home: Path, body: tuple[str, bytes]) -> None:
    """Who has sent a long body holds up nobody who sends a small request after it."""
    field, sent = body
    end = b"\r\n0\r\n\r\n" if sent.startswith(b"1e") else b"0\r\n\r\n"
    long = request("/order", field, method="POST", body=sent)
    with unix_server(home) as (server, path), ExitStack() as stack:
        # Which of those that are ready comes first is chance: so there are many.
        one, *others = [stack.enter_context(unix_client(path)) for _ in range(16)]
        for client in (one, *others):
            client.sendall(request("/one_piece"))
            assert client.recv(65_536).endswith(b"one")
        os.kill(server.worker_pid, signal.SIGSTOP)
        try:
            one.sendall(long + (b"" if "Length" in field else end))
            for other in others:
                other.sendall(request("/order"))
        finally:
            os.kill(server.worker_pid, signal.SIGCONT)
        assert one.recv(65_536).endswith(b"\r\n\r\n16")


@contextmanager
def unix_server(home: Path) -> Iterator[tuple[HeraldServer, Path]]:
    """Start a server of the app behind a Unix socket, which takes a long body at once."""
    server, path = HeraldServer(home), home / "herald.sock"
    try:
        server.start("--bind", f"unix:{path}", "tests.web.wsgi_app:app")
        yield server, path
    finally:
        server.stop()


def unix_client(path: Path) -> socket.socket:
    """Connect to it."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def test_a_unix_socket(home: Path) -> None:
    """Behind a Unix socket there is neither address nor port; the app finds what it must."""
    with unix_server(home) as (_, path), unix_client(path) as client:
        client.sendall(request("/", "Connection: close"))
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"], told["SERVER_PORT"]) == (
        "",
        "localhost",
        "80",
    )
    assert "REMOTE_PORT" not in told


def test_a_worker_that_has_served_enough(home: Path) -> None:
    """Gunicorn's ``--max-requests`` replaces the worker, which answers what it has begun."""
    server = HeraldServer(home)
    try:
        server.start("--max-requests", "3", "tests.web.wsgi_app:app")
        first = server.worker_pid
        with RawHttp(server.port, request("/one_piece") * 3) as client:
            assert [client.answer().body for _ in range(3)] == [b"one"] * 3
        wait_until(lambda: server.worker_pids() not in ([], [first]), "another worker")
    finally:
        server.stop()
