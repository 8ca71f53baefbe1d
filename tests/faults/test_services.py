"""The services of these tests: a proxy that does what it is told, a judge that misses nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Self

import pytest

from tests.services.fault_proxy import FaultProxy
from tests.services.ledger import Arrivals, Found, Ledger, judge_deliveries

PATIENCE = 0.15
"""Seconds in which nothing may come."""


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._echoes: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing alone does not wake who waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        for echo in self._echoes:
            echo.join(5)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            echo = threading.Thread(target=self._echo, args=(client,))
            self._echoes.append(echo)
            echo.start()

    def _echo(self, client: socket.socket) -> None:
        with closing(client):
            try:
                while data := client.recv(65_536):
                    client.sendall(data)
            except OSError:
                return


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Connect, with little patience."""
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as client:
        yield client


def exchange(client: socket.socket, data: bytes) -> bytes:
    """Send ``data`` and return as many bytes."""
    client.settimeout(5)
    client.sendall(data)
    received = b""
    while len(received) < len(data):
        more = client.recv(65_536)
        if not more:
            raise ConnectionResetError
        received += more
    return received


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy before an echo."""
    with Echo() as echo, FaultProxy(echo.port) as proxy:
        yield proxy


def test_the_proxy_hands_on(proxy: FaultProxy) -> None:
    """Without a fault all goes through, also the end of what one side sends."""
    data = bytes(range(256)) * 20_000
    with connected(proxy.port) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        received = b""
        while len(received) < len(data):
            received += client.recv(1 << 20)
        sender.join(5)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert received == data


def test_the_proxy_delays(proxy: FaultProxy) -> None:
    """Each direction takes as long as it is told."""
    with connected(proxy.port) as client:
        proxy.delay(0.1)
        started = time.monotonic()
        assert exchange(client, b"a") == b"a"
        assert 0.2 <= time.monotonic() - started < 1.0


def test_the_proxy_throttles(proxy: FaultProxy) -> None:
    """So many bytes a second come through."""
    with connected(proxy.port) as client:
        proxy.throttle(20_000)
        started = time.monotonic()
        assert exchange(client, bytes(5_000)) == bytes(5_000)
        assert 0.2 <= time.monotonic() - started < 2.0


def test_the_proxy_cuts(proxy: FaultProxy) -> None:
    """Connections are reset, new ones too, until it is healed."""
    with connected(proxy.port) as client:
        assert exchange(client, b"a") == b"a"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionError), connected(proxy.port) as client:
        exchange(client, b"a")
    proxy.heal()
    with connected(proxy.port) as client:
        assert exchange(client, b"a") == b"a"


def test_the_proxy_swallows(proxy: FaultProxy) -> None:
    """Half-open: bytes go nowhere; afterwards such a connection is reset when it is used."""
    with connected(proxy.port) as old:
        assert exchange(old, b"a") == b"a"
        proxy.half_open()
        with connected(proxy.port) as new:
            for client in (old, new):
                client.sendall(b"b")
                client.settimeout(PATIENCE)
                with pytest.raises(TimeoutError):
                    client.recv(1)
        proxy.heal()
        old.sendall(b"c")
        old.settimeout(5)
        with pytest.raises(ConnectionResetError):
            old.recv(1)
    with connected(proxy.port) as client:
        assert exchange(client, b"a") == b"a"


def test_the_proxy_cuts_after_some_bytes(proxy: FaultProxy) -> None:
    """A connection ends in the middle of what is sent."""
    with connected(proxy.port) as client:
        proxy.cut_after(10)
        assert exchange(client, b"12345") == b"12345"
        client.sendall(b"67890")
        with pytest.raises(ConnectionResetError):
            client.recv(10)


def filled(ledger: Ledger, count: int) -> list[Found]:
    """Have ``count`` events acknowledged, and return the log as it must be."""
    for _ in range(count):
        entry = ledger.issue(0)
        ledger.answered(entry, 202, b'{"id": "e%d", "recipients": 1}' % entry.number)
    events = [Found(e.event_id, e.event_id, ledger.data_of(e), 0) for e in ledger.entries]
    return events + [Found(f"d{e.number}", e.event_id, {}, 1) for e in ledger.entries]


def test_the_judge_finds_what_is_wrong() -> None:
    """Lost, doubled, changed, never issued: each is told apart."""
    ledger = Ledger()
    log = filled(ledger, 3)
    event, delivery = log[0], log[3]
    assert ledger.judge(log).faults == {}
    assert ledger.judge(log[1:]).faults == {"lost": 1}
    assert ledger.judge([*log, event]).faults == {"doubled": 1}
    changed = Found(event.id, event.event_id, {"n": 0}, 0)
    assert ledger.judge([changed, *log[1:]]).faults == {"altered": 1}
    renamed = Found("other", "other", event.fields, 0)
    assert ledger.judge([renamed, *log[1:]]).faults == {"altered": 1}
    foreign = Found("x", "x", {"n": 99}, 0)
    assert ledger.judge([*log, foreign]).faults == {"never issued": 1}
    assert ledger.judge([*log[:3], *log[4:]]).faults == {"deliveries lost": 1}
    assert ledger.judge([*log, delivery]).faults == {"deliveries doubled": 1}


def test_the_judge_allows_what_is_not_promised() -> None:
    """What was refused, or has no answer, may be in the log, once."""
    ledger = Ledger()
    refused, unanswered = ledger.issue(0), ledger.issue(1)
    ledger.answered(refused, 503, b"", "1")
    assert ledger.judge([]).faults == {}
    log = [Found(str(e.number), "", ledger.data_of(e), 0) for e in (refused, unanswered)]
    verdict = ledger.judge(log)
    assert (verdict.faults, verdict.found, verdict.unanswered) == ({}, 2, 1)
    assert ledger.judge([*log, log[0]]).faults == {"doubled": 1}


@pytest.mark.parametrize(
    ("numbers", "faults"),
    [
        ([0, 1, 2], {}),
        ([0, 2], {"missing": 1}),
        ([0, 1, 2, 2], {"doubled": 1}),
        ([0, 2, 1], {"disordered": 1}),
        ([0, 1, 2, 7], {"never issued": 1}),
    ],
)
def test_the_judge_of_deliveries(numbers: list[int], faults: dict[str, int]) -> None:
    """A socket gets each acknowledged event once, in the order of who published it."""
    ledger = Ledger()
    filled(ledger, 3)
    assert judge_deliveries(ledger, [Arrivals(numbers)]).faults == faults
