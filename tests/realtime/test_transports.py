"""Which transports are taken, and what a client is told that has chosen the wrong one."""

import json
import time
from collections.abc import Iterator

import pytest
import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess, NodeSocket
from tests.services.redis_server import RedisServer
from tests.services.round_robin import RoundRobin
from tests.services.sockets import SECONDS, RawPolling, RawWebSocket

ON_THE_CLIENT = 'io(url, {transports: ["websocket"]})'
UNKNOWN_SID = "&sid=AAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def websocket_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that takes no long polling."""
    environ = {"SOCKET_TRANSPORTS": "websocket", "SOCKET_AUTH": "open", "CORS_ORIGINS": "*"}
    with HeraldServer(tmp_path_factory.mktemp("websocket"), environ) as server:
        yield server


@pytest.fixture(scope="module")
def two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[HeraldServer]]:
    """Two hosts that share a Redis and take polling."""
    with RedisServer() as redis:
        environ = {"REDIS_URL": redis.url, "SOCKET_AUTH": "open"}
        homes = [tmp_path_factory.mktemp(name) for name in ("one", "another")]
        with HeraldServer(homes[0], environ) as one, HeraldServer(homes[1], environ) as another:
            yield [one, another]


def _polling(server: HeraldServer, more: str = "") -> str:
    return f"{server.url}/socket.io/?EIO=4&transport=polling{more}"


def _require_refusal(body: JsonObject, number: int, code: str) -> None:
    """Check that a refusal has both forms, and what they tell."""
    message = body["message"]
    assert isinstance(message, str)
    assert body == {"code": number, "message": message, "error": {"code": code, "message": message}}
    assert "SOCKET_TRANSPORTS" in message
    assert ON_THE_CLIENT in message


def _require_patience(socket: NodeSocket) -> None:
    """Check that the client comes back, and not at once."""
    socket.wait_for("connect_error")
    started = time.monotonic()
    socket.wait_for("connect_error", times=3, seconds=30)
    # Twice half of a second at least, by the client's default reconnectionDelay.
    assert time.monotonic() - started > 0.9


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("more", ["", UNKNOWN_SID])
def test_a_refused_poll(websocket_only: HeraldServer, method: str, more: str) -> None:
    """Where a WebSocket alone is taken a poll is told so, also a page of another site."""
    answer = requests.request(
        method,
        _polling(websocket_only, more),
        headers={"Origin": "https://app.example.com"},
        timeout=SECONDS,
    )
    assert answer.status_code == 400
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", "https://app.example.com"}
    _require_refusal(answer.json(), 0, "transport_not_taken")


def test_the_javascript_client_that_polls_first(
    websocket_only: HeraldServer, node: NodeProcess
) -> None:
    """The stock client, which polls first, can read why, and tries again in its own time."""
    socket = node.open(websocket_only.url)
    refusal = socket.wait_for("refusal")[0]
    assert isinstance(refusal, dict)
    _require_refusal(refusal, 0, "transport_not_taken")
    _require_patience(socket)
    assert socket.seen("connect") == []


def test_the_javascript_client_as_the_refusal_says(
    websocket_only: HeraldServer, node: NodeProcess
) -> None:
    """With the transports that the refusal names it connects, and so does one that tries all."""
    node.open(websocket_only.url, transports=["websocket"]).connected()
    node.open(websocket_only.url, tryAllTransports=True).connected()


def test_upgrades_that_are_offered(websocket_only: HeraldServer, gateway: HeraldServer) -> None:
    """OPEN offers a WebSocket to who polls, and nothing to who has one."""
    for server in (websocket_only, gateway):
        with RawWebSocket(server.port) as client:
            assert client.answer()[0] == 101
            assert json.loads(client.receive().text[1:])["upgrades"] == []
    opened = requests.get(_polling(gateway), timeout=SECONDS)
    assert json.loads(opened.text[1:])["upgrades"] == ["websocket"]


def test_a_poll_that_reaches_another_host(two_hosts: list[HeraldServer]) -> None:
    """A request of a session that another host has is told what to set, and its own host has it."""
    one, another = two_hosts
    client = RawPolling(one.url)
    for method, transport in (("GET", "polling"), ("POST", "polling"), ("GET", "websocket")):
        url = f"{another.url}/socket.io/?EIO=4&transport={transport}&sid={client.sid}"
        answer = requests.request(method, url, data=b"40", timeout=SECONDS)
        assert answer.status_code == 400
        _require_refusal(answer.json(), 1, "session_unknown")
    assert client.post(b"40").text == "OK"
    assert client.poll().text.startswith("40{")


def test_the_javascript_client_between_two_hosts(
    two_hosts: list[HeraldServer], node: NodeProcess
) -> None:
    """Without sticky sessions the stock client reads why, and comes back in its own time."""
    with RoundRobin([server.port for server in two_hosts]) as balancer:
        socket = node.open(balancer.url, transports=["polling"])
        refusal = socket.wait_for("refusal")[0]
        assert isinstance(refusal, dict)
        _require_refusal(refusal, 1, "session_unknown")
        _require_patience(socket)
        node.open(balancer.url, transports=["websocket"]).connected()
        socket.close()


def test_an_unknown_session_of_a_host_that_is_alone(gateway: HeraldServer) -> None:
    """Where no other process can have it, nothing is said of settings."""
    answer = requests.get(_polling(gateway, UNKNOWN_SID), timeout=SECONDS)
    assert answer.status_code == 400
    assert "SOCKET_TRANSPORTS" not in answer.text
