"""A crowd of sockets on one server: all get everything in one order, and nobody has to wait.

2,000 sockets; ``HERALD_TEST_CROWD=10000`` has as many as Herald takes by default.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from logger_lib import JsonValue
from tests.services.crowd import Crowd, Member, most_sockets
from tests.services.herald import HeraldServer

WANTED = int(os.environ.get("HERALD_TEST_CROWD", "2000"))
LONGEST_WAIT = 0.25
BYTES_A_SOCKET = 30 * 1024
ROOM = 20
BROADCASTS = 3
POSTERS = 3
EVENTS_A_POSTER = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server with nobody on it."""
    environ = {"EVENT_LOGGERS": "logging", "MAX_SOCKETS": str(WANTED)}
    with HeraldServer(tmp_path_factory.mktemp("crowd"), environ) as server:
        yield server


@pytest.fixture(scope="module")
def memory_before(server: HeraldServer) -> int:
    """What the worker takes with everything loaded and nobody there, in bytes."""
    with Crowd(server.port, 50, server.first_key) as few:
        publish(server, "warm", 0)
        few.wait_for_events(1)
    return resident_bytes(server.worker_pid)


@pytest.fixture(scope="module")
def crowd(server: HeraldServer, memory_before: int) -> Iterator[Crowd]:
    """All the sockets, logged in."""
    del memory_before  # measured before they come
    count = most_sockets(WANTED)
    if count < WANTED:
        print(f"this machine's limit of open files allows {count} of {WANTED} sockets")
    with Crowd(server.port, count, server.first_key) as crowd:
        yield crowd


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def publish(server: HeraldServer, event: str, number: int, **body: JsonValue) -> int:
    """Publish an event; return how many sockets it was handed to."""
    answer = server.post("/events", {"event": event, "data": {"n": number}, **body})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["recipients"])


class Onlooker:
    """Asks for ``/health/live`` again and again; ``longest`` is the longest wait, in seconds."""

    def __init__(self, server: HeraldServer) -> None:
        self._http = HTTPConnection("127.0.0.1", server.port, timeout=10)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.waits: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(15)
        self._http.close()

    @property
    def longest(self) -> float:
        """The longest wait of all."""
        return max(self.waits)

    def _look(self) -> None:
        while not self._end.is_set():
            started = time.monotonic()
            self._http.request("GET", "/health/live")
            answer = self._http.getresponse()
            assert answer.status == 200
            answer.read()
            self.waits.append(time.monotonic() - started)


def forget(crowd: Crowd) -> None:
    """Forget the events so far."""
    for member in crowd.members:
        member.events.clear()


def test_memory(server: HeraldServer, crowd: Crowd, memory_before: int) -> None:
    """An idle socket costs at most 30 KiB of the worker's memory."""
    a_socket = (resident_bytes(server.worker_pid) - memory_before) / len(crowd.members)
    print(f"{len(crowd.members)} sockets, {a_socket / 1024:.1f} KiB each")
    assert a_socket <= BYTES_A_SOCKET


def test_everyone_gets_it_once(server: HeraldServer, crowd: Crowd) -> None:
    """Each of three broadcasts reaches every socket once; HTTP is answered in between."""
    with Onlooker(server) as onlooker, ThreadPoolExecutor() as executor:
        posts = [executor.submit(publish, server, "all", n) for n in range(BROADCASTS)]
        crowd.wait_for_events(BROADCASTS, 20)
        assert [post.result(20) for post in posts] == [len(crowd.members)] * BROADCASTS
    orders = {tuple(member.data("all")) for member in crowd.members}
    assert len(orders) == 1
    assert sorted(orders.pop()) == list(range(BROADCASTS))
    print(f"longest wait of {len(onlooker.waits)} requests: {onlooker.longest * 1000:.0f} ms")
    assert onlooker.longest < LONGEST_WAIT
    forget(crowd)


def test_one_order_for_all(server: HeraldServer, crowd: Crowd) -> None:
    """Events to everyone and to small rooms, posted by many at once, come in one order to all."""
    first, last = crowd.members[:ROOM], crowd.members[-ROOM:]
    crowd.join("first", first)
    crowd.join("last", last)
    targets: list[dict[str, JsonValue]] = [{}, {"room": "first"}, {"room": "last"}]

    def post_some(target: dict[str, JsonValue], poster: int) -> None:
        for n in range(EVENTS_A_POSTER):
            publish(server, "ev", poster * EVENTS_A_POSTER + n, **target)

    with ThreadPoolExecutor() as executor:
        posts: list[Future[None]] = [
            executor.submit(post_some, target, at) for at, target in enumerate(targets)
        ]
        crowd.wait_for_events(EVENTS_A_POSTER, 20)
        in_rooms = [*first, *last]
        crowd.read_until(
            lambda: all(len(m.events) == 2 * EVENTS_A_POSTER for m in in_rooms), "all of it", 20
        )
        for post in posts:
            post.result(20)
    for members in (first, last, crowd.members[ROOM:-ROOM]):
        assert len({tuple(member.events) for member in members}) == 1
    everyones = set(range(EVENTS_A_POSTER))
    orders = {order_of(member, everyones) for member in crowd.members}
    assert orders == {tuple(range(EVENTS_A_POSTER))}
    forget(crowd)


def order_of(member: Member, numbers: set[int]) -> tuple[int, ...]:
    return tuple(number for number in member.data("ev") if number in numbers)


def test_earlier_event_first(server: HeraldServer, crowd: Crowd) -> None:
    """What is posted once the first socket has the event before is behind it at every socket."""
    members = [*crowd.members[:ROOM], *crowd.members[-ROOM:]]
    crowd.join("ends", members)
    for turn in range(5):
        with ThreadPoolExecutor() as executor:
            earlier = executor.submit(publish, server, "ev", 2 * turn)
            crowd.read_until(
                lambda: any(member.events for member in crowd.members), "the first", 20
            )
            later = executor.submit(publish, server, "ev", 2 * turn + 1, room="ends")
            crowd.read_until(lambda: all(len(m.events) == 2 for m in members), "both", 20)
            crowd.wait_for_events(1, 20)
            assert earlier.result(20) == len(crowd.members)
            assert later.result(20) == len(members)
        assert {tuple(m.data("ev")) for m in members} == {(2 * turn, 2 * turn + 1)}
        forget(crowd)


def test_all_leave_at_once(server: HeraldServer, crowd: Crowd) -> None:
    """When all go at once nobody else waits for it, and nothing of them is left.

    The last test of the module: there is no crowd after it.
    """
    with Onlooker(server) as onlooker:
        crowd.leave()
        while publish(server, "gone", 0):
            continue
    print(f"longest wait of {len(onlooker.waits)} requests: {onlooker.longest * 1000:.0f} ms")
    assert onlooker.longest < LONGEST_WAIT
    files = len(list(Path(f"/proc/{server.worker_pid}/fd").iterdir()))
    assert files < 100, files
    assert "Traceback" not in server.log_text()
