"""How long and how often faults are injected, and the load that goes on meanwhile.

The figures are printed: ``pytest tests/faults -rP``. These make it longer:

``HERALD_TEST_KILLS``         how often something is killed, each time (2)
``HERALD_TEST_FAULT_SECONDS`` how long a destination is out of reach (2)
``HERALD_TEST_SOAK_SECONDS``  how long the soak takes (10)
``HERALD_TEST_HITS``          how many hits are pushed while others are consumed (10,000)
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer, wait_until
from tests.services.ledger import (
    DeliveryVerdict,
    Found,
    Ledger,
    Verdict,
    delivery_times,
    judge_deliveries,
    share,
)
from tests.services.listeners import Listeners
from tests.services.mongod import MongoServer
from tests.services.ports import lasting_port
from tests.services.publishers import Publishers
from tests.services.vitals import MIB, forget_peak, peak_bytes, resident_bytes
from webapp.access.scopes import Scope

KILLS = int(os.environ.get("HERALD_TEST_KILLS", "2"))
FAULT_SECONDS = float(os.environ.get("HERALD_TEST_FAULT_SECONDS", "2"))
HITS = int(os.environ.get("HERALD_TEST_HITS", "10000"))
SOAK_SECONDS = float(os.environ.get("HERALD_TEST_SOAK_SECONDS", "10"))
CROWD = int(os.environ.get("HERALD_TEST_CROWD", "2000")) // 2
"""Sockets at a drain."""

SETTLED_SECONDS = 40.0 + KILLS + FAULT_SECONDS
"""How long after a fault all must be in the log: a destination that was down is asked again within
5 s; then its driver has to notice, and what has gathered is written."""

RATE = 200.0
"""Events a second, where the load is not as high as it can be."""
STEP = 10
"""Events between two looks at the clock."""
BEFORE_SECONDS = max(1.0, FAULT_SECONDS / 4)
"""How long the load goes on before a fault, to be compared with."""
SOCKETS = 10
LATEST_DELIVERY = 1.0
"""Seconds; beyond it a fault of a destination has hurt the fan-out."""
SLOWER = 1.2
"""By how much deliveries may take longer in a fault than before it, beside what follows."""
USUAL_SLACK = 0.005
"""Seconds more for half of the deliveries."""
LATE_SLACK = 0.05
LATE_SHARE = 0.01
"""Seconds more for all but this share."""
COMPARED_SECONDS = 10.0
"""How long a fault has to last to be compared with before it: of a shorter one the tenths of a
second in which everything stands still, on a machine that others use, are most of what is seen."""
MOST_GROWTH = 64 * MIB

WATCHED_APP = "tests.faults.watched_app:app"


@dataclass(slots=True)
class Load:
    """What goes on around a fault, on one server."""

    server: HeraldServer
    ledger: Ledger
    publishers: Publishers
    listeners: Listeners
    resident: int

    def last(self, seconds: float) -> None:
        """Return when the load has gone on for so long, however much that is; it must not stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.ledger.await_acknowledged(STEP)

    @property
    def growth(self) -> int:
        """By how much more memory the worker had at its most than before."""
        return max(0, peak_bytes(self.server.worker_pid) - self.resident)

    def deliveries(self) -> DeliveryVerdict:
        """Judge what the sockets have got."""
        return judge_deliveries(self.ledger, self.listeners.sockets)

    def delivery_times(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Return how long each delivery took of what was sent in this time."""
        return delivery_times(self.ledger, self.listeners.sockets, since, until)


@contextmanager
def load(
    server: HeraldServer,
    key: str,
    *,
    publishers: int = 4,
    rate: float | None = RATE,
    sockets: int = SOCKETS,
    size: int = 200,
) -> Iterator[Load]:
    """Publish and listen; the end of the block waits for the answers and the deliveries."""
    ledger = Ledger(size)
    pid = server.worker_pid
    with (
        Listeners(server.port, key, ledger, count=sockets) as listeners,
        Publishers(server.port, key, ledger, count=publishers, rate=rate) as publishing,
    ):
        resident = resident_bytes(pid)
        forget_peak(pid)
        yield Load(server, ledger, publishing, listeners, resident)
        publishing.stop()
        listeners.await_all()


def judge(
    what: str,
    running: Load,
    read: Callable[[Ledger], list[Found]],
    destination: str,
    fault: tuple[float, float] | None = None,
) -> dict[str, int]:
    """Print the figures, hold them to what is promised, and return the destination's counters.

    ``fault`` is when it began and ended; without one it lasted as long as the load.
    """
    verdict = running.ledger.settle(lambda: read(running.ledger), SETTLED_SECONDS)
    deliveries = running.deliveries()
    began, ended = fault or (0.0, float("inf"))
    before, during = running.delivery_times(until=began), running.delivery_times(began, ended)
    counters = counters_of(running.server, destination)
    say(
        what,
        verdict,
        deliveries,
        f"delivery before {percentiles(before)}",
        f"delivery during {percentiles(during)}, p99 {ratio(before, during)}",
        f"answers before {percentiles(running.ledger.answer_times(until=began))}",
        f"answers during {percentiles(running.ledger.answer_times(began, ended))}",
        f"the worker grew by {running.growth / MIB:.1f} MiB at most; counters {counters}",
    )
    assert verdict.faults == {}
    assert verdict.refused == {}
    assert running.publishers.problems == []
    assert deliveries.faults == {}
    assert counters["dead"] == 0
    assert max(during) < LATEST_DELIVERY
    if before and FAULT_SECONDS >= COMPARED_SECONDS:
        assert share(during, 0.5) <= SLOWER * share(before, 0.5) + USUAL_SLACK
        assert share(during, 1 - LATE_SHARE) <= SLOWER * share(before, 0.99) + LATE_SLACK
    assert running.growth < MOST_GROWTH
    return counters


def say(what: str, *figures: Verdict | DeliveryVerdict | str) -> None:
    """Print what was found."""
    print(f"{what}:", *(f"\n    {figure}" for figure in figures))


def percentiles(seconds: list[float]) -> str:
    """Return p50, p99 and the longest of some times, in ms."""
    middle, late, last = (1000 * share(seconds, part) for part in (0.5, 0.99, 1.0))
    return f"p50 {middle:.1f}, p99 {late:.1f}, longest {last:.1f} ms of {len(seconds)}"


def ratio(before: list[float], during: list[float]) -> str:
    """Return how the p99 of two times compare."""
    return f"x {share(during, 0.99) / share(before, 0.99):.2f}" if before else "with no before"


def state_of(server: HeraldServer) -> JsonObject:
    """Return what a server with ``WATCHED_APP`` says of itself."""
    answer = requests.get(f"{server.url}/test/state", timeout=10)
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert isinstance(state, dict)
    return state


def counters_of(server: HeraldServer, destination: str) -> dict[str, int]:
    """Return a destination's counters, of a server with ``WATCHED_APP``."""
    found = state_of(server)["counters"]
    assert isinstance(found, dict)
    counters = found[destination]
    assert isinstance(counters, dict)
    return {name: int(str(count)) for name, count in counters.items()}


@contextmanager
def herald(
    home: Path, environ: Mapping[str, str] | None = None, *, log_file: Path | None = None
) -> Iterator[HeraldServer]:
    """Start a server that tells its state, and that comes back on the same port."""
    server = HeraldServer(home, environ, lasting_port())
    server.log_file = log_file or server.log_file
    try:
        server.start(WATCHED_APP)
        yield server
    finally:
        server.stop()


def full_key(server: HeraldServer) -> str:
    """Return a fresh key that may publish, subscribe and read."""
    return server.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, Scope.READ)


def await_empty_spool(home: Path) -> None:
    """Return when all that earlier processes have left on disk is where it belongs."""
    wait_until(
        lambda: not any(home.glob("spool/*/*.jsonl")), "the end of the spool", SETTLED_SECONDS
    )


def installed_loggers(directory: Path, factories: Mapping[str, str]) -> Path:
    """Return what ``PYTHONPATH`` needs for ``factories`` (``module:class``) to be found by name."""
    metadata = directory / "installed" / "third_party-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    offered = "".join(f"{name} = {made}\n" for name, made in factories.items())
    (metadata / "entry_points.txt").write_text(f"[logger_lib.factories]\n{offered}")
    return metadata.parent


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[MongoServer]:
    """A MongoDB of the test's own, not started."""
    server = MongoServer(tmp_path / "mongo")
    yield server
    server.kill()
