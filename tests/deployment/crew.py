"""Several workers behind one port: which of them has which connection."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.herald import HeraldServer, wait_until
from tests.services.sockets import RawWebSocket

_ESTABLISHED = "01"


class Crew:
    """The sockets of one test on a server of several workers; ``with`` ends them."""

    def __init__(self, server: HeraldServer) -> None:
        self._server = server
        self._key = server.first_key
        self.clients: list[RawWebSocket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self.clients:
            client.cut()

    def connect(self, count: int) -> None:
        """Connect so many sockets more, one after the other."""
        for _ in range(count):
            client = RawWebSocket(self._server.port)
            self.clients.append(client)
            client.open().login(self._key)

    def connect_until_all_serve(self, seconds: float = 60.0) -> None:
        """Connect sockets until each worker has one."""

        def all_serve() -> bool:
            self.connect(1)
            return min(self.shares().values()) > 0

        wait_until(all_serve, "a socket on each worker", seconds)

    def shares(self) -> Mapping[int, int]:
        """Return how many connections each worker has, by its process id."""
        there = _connections_to(self._server.port)
        return {pid: len(there & _sockets_of(pid)) for pid in self._server.worker_pids()}


def _connections_to(port: int) -> set[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        f"socket:[{row[9]}]"
        for row in rows
        if row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED
    }


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return found
