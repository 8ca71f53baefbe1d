"""Full of sockets, or of connections, or out of file descriptors: publishing goes on."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject, JsonValue
from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import RawPolling, RawWebSocket
from webapp import capacity
from webapp.access.scopes import Scope
from webapp.worker import SPARE_DESCRIPTORS

MAX_SOCKETS = 1000
QUICK = 1.0
IN_TIME = 4.0
"""Seconds to end with a thousand sockets; it takes about 1.5 on an idle machine."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server with three places for sockets and a hundred more for connections."""
    home = tmp_path_factory.mktemp("small")
    server = HeraldServer(home, {"MAX_SOCKETS": "3"})
    try:
        tcp, unix = f"127.0.0.1:{server.port}", f"unix:{home / 'herald.sock'}"
        server.start("--bind", tcp, "--bind", unix)
        yield server
    finally:
        server.stop()


def event(name: str, **data: JsonValue) -> JsonObject:
    """Return the body of a publish."""
    return {"event": name, "data": data}


def crowd(stack: ExitStack, port: int, count: int) -> list[RawWebSocket]:
    """Return ``count`` open WebSockets; those whose handshake is refused are left out."""
    raw = [stack.enter_context(RawWebSocket(port)) for _ in range(count)]
    return [client for client in raw if client.answer()[0] == 101]


def login(clients: list[RawWebSocket], token: str) -> list[str]:
    """Log in all at once; return the answers."""
    for client in clients:
        client.send_text("40" + json.dumps({"token": token}))
    return [client.receive().text for client in clients]


def test_1200_browsers(home: Path) -> None:
    """Of 1,200 browsers 1,000 are in, the others hear why not, HTTP answers, SIGTERM is quick."""
    with HeraldServer(home, {"MAX_SOCKETS": str(MAX_SOCKETS)}) as server, ExitStack() as stack:
        clients = crowd(stack, server.port, 1200)
        # A hundred connections more than sockets are let in, to hear the reason from Socket.IO.
        assert len(clients) == capacity.max_connections(MAX_SOCKETS)
        assert all(client.receive().text[0] == "0" for client in clients)
        answers = login(clients, server.first_key)
        inside = [c for c, a in zip(clients, answers, strict=True) if a.startswith("40{")]
        refused = [json.loads(answer[2:]) for answer in answers if answer.startswith("44{")]
        assert len(inside) == MAX_SOCKETS
        assert len(refused) == len(clients) - MAX_SOCKETS
        for refusal in refused:
            assert (
                refusal["message"] == "all 1000 sockets of this host are taken: connect again later"
            )
            assert refusal["data"]["error"]["code"] == "too_many_sockets"
            assert refusal["data"]["retryAfter"] > 0
        for number in range(3):
            started = time.monotonic()
            answer = server.post("/events", event("full", n=number))
            assert time.monotonic() - started < QUICK
            assert answer.json()["recipients"] == MAX_SOCKETS
        for client in inside:
            assert client.receive_event("full") == {"n": 0}
        _leave_and_enter(server, inside, stack)
        started = time.monotonic()
        assert server.stop() == 0
        seconds = time.monotonic() - started
        assert seconds < IN_TIME, seconds
    print(f"SIGTERM with {MAX_SOCKETS - 50} sockets: {seconds:.2f} s")


def _leave_and_enter(server: HeraldServer, inside: list[RawWebSocket], stack: ExitStack) -> None:
    for client in inside[:100]:
        client.socket.close()
    body = event("later")
    wait_until(
        lambda: server.post("/events", body).json()["recipients"] == MAX_SOCKETS - 100,
        "900 recipients",
    )
    for client in [client.open() for client in [RawWebSocket(server.port) for _ in range(50)]]:
        stack.enter_context(client)
        client.login(server.first_key)
    assert server.post("/events", body).json()["recipients"] == MAX_SOCKETS - 50


def test_polling_counts_too(small: HeraldServer) -> None:
    """A polling client takes a place like any other, and gives it back when it says so."""
    polling = [RawPolling(small.url) for _ in range(4)]
    answers = [client.login(small.first_key) for client in polling]
    assert [answer[:3] for answer in answers] == ["40{"] * 3 + ["44{"]
    with RawWebSocket(small.port).open() as client:
        assert client.ask_login(small.first_key).startswith("44{")
        assert polling[0].post(b"1").status_code == 200
        client.login(small.first_key)
    for leaving in polling[1:]:
        assert leaving.post(b"1").status_code == 200


def test_a_crowd_at_the_last_place(small: HeraldServer) -> None:
    """Of many that log in at the same moment with a key not seen before, only three get in."""
    token = small.issue_key(Scope.SUBSCRIBE)
    with ExitStack() as stack:
        clients = crowd(stack, small.port, 50)
        assert all(client.receive().text[0] == "0" for client in clients)
        answers = login(clients, token)
        assert sum(answer.startswith("40{") for answer in answers) == 3


def test_too_many_connections(small: HeraldServer) -> None:
    """Beyond the connections that may wait to log in, the handshake is 503 with Retry-After."""
    with ExitStack() as stack:
        _take_all_places(small, stack)
        with RawWebSocket(small.port) as late:
            status, headers, body = late.answer()
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert json.loads(body)["error"]["code"] == "too_many_sockets"
        polled = requests.get(
            f"{small.url}/socket.io/?EIO=4&transport=polling",
            timeout=5,
            headers={"Origin": small.url},
        )
        assert polled.status_code == 503
        assert small.post("/events", event("a")).status_code == 202


def test_places_come_back(small: HeraldServer) -> None:
    """Connections that ended in any way give their places back at once."""
    for _ in range(3):
        with ExitStack() as stack:
            _take_all_places(small, stack)


def _take_all_places(server: HeraldServer, stack: ExitStack) -> None:
    limit, clients = capacity.max_connections(3), list[RawWebSocket]()

    def take() -> bool:
        clients.extend(crowd(stack, server.port, limit - len(clients)))
        return len(clients) == limit

    wait_until(take, f"{limit} places", 5)


def test_out_of_descriptors(home: Path) -> None:
    """Out of file descriptors the server says so, and accepts again within 2 s of having some."""
    server = HeraldServer(home)
    try:
        with soft_limit_of_files(500):
            server.start()
        soft, hard = resource.prlimit(server.worker_pid, resource.RLIMIT_NOFILE)
        assert soft == min(hard, capacity.worker_connections(10_000) + SPARE_DESCRIPTORS)
        assert server.post("/events", event("a")).status_code == 202
        resource.prlimit(server.worker_pid, resource.RLIMIT_NOFILE, (80, hard))
        with ExitStack() as stack:
            for _ in range(120):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            server.wait_for_log("Cannot accept connections: Too many open files")
        started = time.monotonic()
        assert server.post("/events", event("a")).status_code == 202
        assert time.monotonic() - started < 2
        assert "Traceback" not in server.log_text()
    finally:
        assert server.stop() == 0


@contextmanager
def soft_limit_of_files(limit: int) -> Iterator[None]:
    """Lower this process's own limit, which a server started meanwhile inherits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_unix_socket(small: HeraldServer) -> None:
    """Behind a proxy on the same host Herald serves a Unix socket, which has no TCP options."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(small.home / "herald.sock"))
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert "Traceback" not in small.log_text()
