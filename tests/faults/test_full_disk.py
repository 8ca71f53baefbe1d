"""A full disk: 503 where nothing can be stored, and all is well again once there is space."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.conftest import full_key, herald, load, percentiles, say
from tests.services import event_log
from tests.services.herald import HeraldServer
from tests.services.ledger import Found, Ledger
from tests.services.mongod import MongoServer
from tests.services.small_disk import MIB, FullDisk, SizeLimit, small_disk

DISK = 24 * MIB
SIZE = 4_000
REFUSED = 12
UNPUBLISHED = "nothing was published"
RECOVERED_SECONDS = 10.0
SETTLED_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """A server, the disk that it writes to, and what its log holds."""

    server: HeraldServer
    disk: FullDisk
    reach: Callable[[], None]
    read: Callable[[Ledger], list[Found]]


@contextmanager
def sqlite(tmp_path: Path, _: MongoServer) -> Iterator[Place]:
    """The log is on the disk that is full."""
    home = tmp_path / "home"
    with (
        small_disk(home, DISK) as disk,
        herald(home, log_file=tmp_path / "server.log") as server,
    ):
        yield Place(server, disk, lambda: None, lambda ledger: event_log.in_sqlite(home, ledger))


@contextmanager
def sqlite_limited(tmp_path: Path, _: MongoServer) -> Iterator[Place]:
    """No file of the worker's may grow: what a quota does."""
    home = tmp_path / "home"
    with herald(home) as server:
        yield Place(
            server,
            SizeLimit([server.worker_pid], 0),
            lambda: None,
            lambda ledger: event_log.in_sqlite(home, ledger),
        )


@contextmanager
def spool(tmp_path: Path, mongod: MongoServer) -> Iterator[Place]:
    """MongoDB is down, and the disk that is full is that of the spool."""
    home = tmp_path / "home"
    with (
        small_disk(home, DISK) as disk,
        herald(home, {"MONGO_URI": mongod.uri}, log_file=tmp_path / "server.log") as server,
    ):
        yield Place(server, disk, mongod.start, lambda ledger: event_log.in_mongodb(mongod, ledger))


class Absent:
    """A MongoDB that is not there until it is "freed"; until then the spool fills by itself."""

    def __init__(self, mongod: MongoServer) -> None:
        self._mongod = mongod

    def fill(self) -> None:
        """Wait for it."""

    def free(self) -> None:
        """Let the spool be emptied."""
        self._mongod.start()


@contextmanager
def spool_limit(tmp_path: Path, mongod: MongoServer) -> Iterator[Place]:
    """MongoDB is down for so long that the spool has no room."""
    environ = {"MONGO_URI": mongod.uri, "SPOOL_MAX_BYTES": str(MIB)}
    with herald(tmp_path / "home", environ) as server:
        yield Place(
            server,
            Absent(mongod),
            lambda: None,
            lambda ledger: event_log.in_mongodb(mongod, ledger),
        )


PLACES = {
    "sqlite": sqlite,
    "sqlite, file size": sqlite_limited,
    "spool": spool,
    "spool, SPOOL_MAX_BYTES": spool_limit,
}


@pytest.mark.parametrize("place", PLACES)
def test_full_disk(place: str, tmp_path: Path, mongod: MongoServer) -> None:
    """What is acknowledged is stored, what cannot be is 503, and freed space is found by itself."""
    with PLACES[place](tmp_path, mongod) as full:
        server, key = full.server, full_key(full.server)
        pid = server.worker_pid
        with load(server, key, size=SIZE) as running:
            running.last(1)
            full.disk.fill()
            running.ledger.await_refused(REFUSED, 20)
            full.disk.free()
            running.ledger.await_acknowledged(REFUSED, RECOVERED_SECONDS)
        full.reach()
        verdict = running.ledger.settle(lambda: full.read(running.ledger), SETTLED_SECONDS)
        deliveries = running.deliveries()
        say(
            f"disk full, {place}",
            verdict,
            deliveries,
            f"answers {percentiles(running.ledger.answer_times())}",
        )
        assert server.worker_pid == pid, "the worker was started again"
        assert server.stop() == 0
    assert verdict.faults == {}
    assert verdict.refused.keys() == {503}
    assert running.publishers.problems == []
    assert all(e.retry_after for e in running.ledger.entries if e.status == 503)
    assert deliveries.faults == {}
    unpublished = {e.number for e in running.ledger.entries if UNPUBLISHED in e.said}
    assert unpublished, "no publish was refused before it was sent"
    assert not any(unpublished.intersection(s.numbers) for s in running.listeners.sockets)
