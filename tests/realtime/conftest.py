"""The servers and clients of these tests."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
import socketio

from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess
from tests.services.sockets import RawPolling, RawWebSocket
from webapp.access.scopes import Scope

LISTED_ORIGIN = "https://app.example.com"


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that asks for tokens and lets in the pages of one other site."""
    home = tmp_path_factory.mktemp("gateway")
    with HeraldServer(home, {"CORS_ORIGINS": LISTED_ORIGIN}) as server:
        yield server


@pytest.fixture(scope="session")
def open_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that anyone may connect to."""
    home = tmp_path_factory.mktemp("open")
    with HeraldServer(home, {"SOCKET_AUTH": "open"}) as server:
        yield server


@pytest.fixture(scope="session")
def silent_polling(gateway: HeraldServer) -> RawPolling:
    """A polling connection that does not log in."""
    return RawPolling(gateway.url)


@pytest.fixture(scope="session", autouse=True)
def silent(gateway: HeraldServer, silent_polling: RawPolling) -> Iterator[Future[float]]:
    """Tell how long a silent WebSocket lived; it is opened first, so that no test has to wait."""
    del silent_polling  # asked for so that it is the older one

    def live() -> float:
        with RawWebSocket(gateway.port).open() as client:
            started = time.monotonic()
            client.end(20)
            return time.monotonic() - started

    with ThreadPoolExecutor() as executor:
        yield executor.submit(live)


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    """A Node process of the test's own."""
    with NodeProcess() as process:
        yield process


@pytest.fixture
def key(gateway: HeraldServer) -> str:
    """A key of an app of the test's own on ``gateway``: nobody else's sockets are in it."""
    return gateway.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app=uuid.uuid4().hex)


class Clients:
    """Makes clients of one server that are gone when the test is over."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def raw(self, server: HeraldServer, token: str | None = None) -> RawWebSocket:
        """Return a raw WebSocket that is open, and logged in where a ``token`` is given."""
        client = self._stack.enter_context(RawWebSocket(server.port)).open()
        if token is not None:
            client.login(token)
        return client

    def python(
        self,
        server: HeraldServer,
        token: str | None = None,
        transports: list[str] | None = None,
        **headers: str,
    ) -> socketio.SimpleClient:
        """Return a connected python-socketio client."""
        client = socketio.SimpleClient(reconnection=False)
        self._stack.callback(client.disconnect)
        client.connect(
            server.url,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            auth={} if token is None else {"token": token},
            transports=transports,
        )
        return client


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Clients that end with the test."""
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that tells how its connections ended, and keeps its records in its output."""
    server = HeraldServer(tmp_path_factory.mktemp("counted"), {"EVENT_LOGGERS": "logging"})
    try:
        server.start("tests.realtime.counting_app:app")
        yield server
    finally:
        server.stop()


def ends_by(server: HeraldServer, reason: str) -> int:
    """Return how many connections of a ``counted`` server ended for ``reason``."""
    counts: dict[str, int] = requests.get(f"{server.url}/test/disconnects", timeout=5).json()
    return sum(count for why, count in counts.items() if why.startswith(reason))
