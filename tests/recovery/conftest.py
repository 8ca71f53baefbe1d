"""A server whose clients come back, and clients of the kind that browsers run."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from logger_lib import JsonObject, JsonValue
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess, NodeSocket
from webapp.access.scopes import Scope

EVENT = "order.created"
RECOVERY = "herald.recovery"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server as it is by default."""
    with HeraldServer(tmp_path_factory.mktemp("recovery")) as started:
        yield started


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    """A Node process of the test's own."""
    with NodeProcess() as process:
        yield process


@pytest.fixture
def proxy(server: HeraldServer) -> Iterator[FaultProxy]:
    """The network between the server and those clients that go through it."""
    with FaultProxy(server.port) as started:
        yield started


@dataclass(frozen=True)
class App:
    """An app of the test's own: nobody else's sockets are in it."""

    server: HeraldServer
    name: str
    key: str

    def publish(self, number: int, **where: JsonValue) -> JsonObject:
        """Publish the event with this number and return the answer."""
        body: JsonObject = {"event": EVENT, "data": {"n": number}, **where}
        answer = self.server.post("/events", body, self.key)
        assert answer.status_code == 202, answer.text
        told: JsonObject = answer.json()
        return told

    def recipients(self, number: int, **where: JsonValue) -> int:
        """Publish the event with this number and return how many sockets were given it."""
        count = self.publish(number, **where)["recipients"]
        assert isinstance(count, int)
        return count

    def open(
        self,
        node: NodeProcess,
        transports: list[str] | None = None,
        *,
        through: FaultProxy | None = None,
        token: str | None = None,
        recovery: bool = True,
    ) -> NodeSocket:
        """Open a socket that comes back at once, and recovers; do not wait for it."""
        port = self.server.port if through is None else through.port
        return node.open(
            f"http://127.0.0.1:{port}",
            token or self.key,
            transports,
            recovery=recovery,
            reconnectionDelay=20,
            reconnectionDelayMax=100,
            timeout=2000,
        )


@pytest.fixture
def app(server: HeraldServer) -> App:
    """An app of the test's own on ``server``."""
    name = uuid.uuid4().hex
    return App(server, name, server.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app=name))


def numbers(socket: NodeSocket) -> list[JsonValue]:
    """Return the numbers of the events that a socket has got, in order."""
    return [data["n"] for data in socket.received(EVENT) if isinstance(data, dict)]


def got(socket: NodeSocket, expected: list[int]) -> bool:
    """Wait until a socket has got as many; say whether they are the expected ones."""
    socket.wait_for_events(EVENT, len(expected))
    assert numbers(socket) == expected
    return True
