"""Clients that do not read: each is parted from in time, and only it notices."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logger_lib import JsonValue
from tests.realtime.conftest import ends_by
from tests.services.crowd import Crowd
from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import CLOSE, Ended, RawPolling, RawWebSocket
from webapp.access.scopes import Scope
from webapp.realtime.connection import SLOW
from webapp.realtime.transport import LINGER_SECONDS

NEIGHBOURS = 100
EVENT_BYTES = 65_536
MOST_EVENTS = 250
"""The kernel keeps some MiB for a socket before the queue begins, in which there is room for 16."""

MEBIBYTE = 1024 * 1024
GROWTH = 4 * MEBIBYTE


@pytest.fixture(scope="module")
def key(counted: HeraldServer) -> str:
    """A key of an app of these tests' own."""
    return counted.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app="slow")


@pytest.fixture(scope="module")
def neighbours(counted: HeraldServer, key: str) -> Iterator[Crowd]:
    """A hundred healthy sockets of the same app, after what makes the server's memory warm."""
    with Crowd(counted.port, NEIGHBOURS, key) as crowd:
        publish(counted, key, crowd, 32)
        yield crowd


def publish(server: HeraldServer, key: str, crowd: Crowd, count: int) -> None:
    """Publish ``count`` big events; each neighbour gets each, in order, before the next is sent."""
    for _ in range(count):
        number = len(crowd.members[0].events)
        body: JsonValue = {"event": "big", "data": {"n": number, "text": "x" * EVENT_BYTES}}
        assert server.post("/events", body, key).status_code == 202
        crowd.wait_for_events(number + 1, 5)
        for member in crowd.members:
            assert member.events[number].startswith(f'42["big",{{"n":{number},')
            member.events[number] = f'42["big",{{"n":{number}}}]'  # the rest is let go


def publish_until_dropped(
    server: HeraldServer, key: str, crowd: Crowd, dropped: int, gone: Callable[[], bool]
) -> None:
    """Publish until ``dropped`` sockets have been parted from for being slow."""
    for _ in range(MOST_EVENTS):
        publish(server, key, crowd, 1)
        if gone():
            break
    assert ends_by(server, "slow") == dropped


def slow_socket(server: HeraldServer, key: str) -> RawWebSocket:
    """Return a socket that is logged in and does not read from now on."""
    client = RawWebSocket(server.port).open()
    client.login(key)
    return client


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def is_held(server: HeraldServer, client: RawWebSocket) -> bool:
    """Say whether the server still holds its end of the connection of ``client``."""
    ends = f"0100007F:{server.port:04X} 0100007F:{client.socket.getsockname()[1]:04X} "
    rows = Path("/proc/net/tcp").read_text().splitlines()
    # A connection whose process has closed it has no inode any more.
    return any(ends in row and row.split()[9] != "0" for row in rows)


def test_a_websocket_that_reads_again(counted: HeraldServer, key: str, neighbours: Crowd) -> None:
    """It is dropped at a mebibyte, and reads code 1013 and why after what was on its way."""
    dropped, memory = ends_by(counted, "slow"), resident_bytes(counted.worker_pid)
    with slow_socket(counted, key) as slow:
        publish_until_dropped(
            counted, key, neighbours, dropped + 1, lambda: ends_by(counted, "slow") > dropped
        )
        assert resident_bytes(counted.worker_pid) - memory < GROWTH
        assert "socket.dropped" in counted.wait_for_log(SLOW)
        while (received := slow.receive()).opcode != CLOSE:
            assert received.text.startswith('42["big",')
        assert received.payload == (1013).to_bytes(2, "big") + SLOW.encode()
        with pytest.raises(Ended):
            slow.receive()
    publish(counted, key, neighbours, 1)
    assert all(m.data("big") == list(range(len(m.events))) for m in neighbours.members)


def test_a_websocket_that_never_reads(counted: HeraldServer, key: str, neighbours: Crowd) -> None:
    """It is dropped alike, and its connection is gone when the time to read is over."""
    dropped = ends_by(counted, "slow")
    with slow_socket(counted, key) as slow:
        publish_until_dropped(
            counted, key, neighbours, dropped + 1, lambda: ends_by(counted, "slow") > dropped
        )
        assert is_held(counted, slow)
        wait_until(lambda: not is_held(counted, slow), "its end", LINGER_SECONDS + 2)
        # The kernel still sends what it had taken; nothing else comes, and then the end.
        assert slow.end(5) is None


def test_many_that_never_read(counted: HeraldServer, key: str, neighbours: Crowd) -> None:
    """Ten at once take no more than their bound each, and give it back."""
    dropped, memory = ends_by(counted, "slow"), resident_bytes(counted.worker_pid)
    slow = [slow_socket(counted, key) for _ in range(10)]
    publish_until_dropped(
        counted, key, neighbours, dropped + 10, lambda: ends_by(counted, "slow") >= dropped + 10
    )
    # They wait for the same frames, which are kept once.
    assert resident_bytes(counted.worker_pid) - memory < GROWTH
    for client in slow:
        client.cut()
    answer = counted.post("/events", {"event": "last", "data": {"n": 0}}, key)
    assert answer.json()["recipients"] == NEIGHBOURS
    neighbours.read_until(lambda: all(m.data("last") for m in neighbours.members), "the last")
    for member in neighbours.members:
        member.events.pop()


def test_a_polling_client_that_does_not_poll(
    counted: HeraldServer, key: str, neighbours: Crowd
) -> None:
    """What waits for it is bounded alike; its next poll says why the session is no more."""
    dropped, memory = ends_by(counted, "slow"), resident_bytes(counted.worker_pid)
    slow = RawPolling(counted.url)
    slow.login(key)
    publish_until_dropped(
        counted, key, neighbours, dropped + 1, lambda: ends_by(counted, "slow") > dropped
    )
    assert resident_bytes(counted.worker_pid) - memory < GROWTH
    refused = slow.poll()
    assert refused.status_code == 400
    assert refused.json() == {"error": {"code": "session_ended", "message": SLOW}}
    assert f'"sid":"{slow.sid}"' not in counted.log_text()


def test_one_event_above_the_bound(counted: HeraldServer, key: str) -> None:
    """An event of almost a mebibyte reaches a client that reads, by either transport."""
    client, polling = RawWebSocket(counted.port), RawPolling(counted.url)
    with client:
        client.open().login(key)
        polling.login(key)
        text = "x" * (MEBIBYTE - 100)
        answer = counted.post("/events", {"event": "one", "data": {"text": text}}, key)
        assert answer.status_code == 202, answer.text
        assert client.receive_event("one") == {"text": text}
        received = polling.poll().text
        while not received.startswith("42"):
            assert polling.post(b"3").status_code == 200
            received = polling.poll().text
        assert text in received
    assert polling.post(b"1").status_code == 200
