"""A soak: sockets come and go, faults come at random, and nothing grows."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

import pytest

from tests.faults.conftest import (
    SOAK_SECONDS,
    Load,
    counters_of,
    full_key,
    herald,
    load,
    percentiles,
    say,
    state_of,
)
from tests.services import event_log
from tests.services.crowd import Crowd
from tests.services.herald import HeraldServer
from tests.services.mongod import MongoServer
from tests.services.vitals import MIB, open_files, resident_bytes

SOAK_RATE = 100.0
WARM_SHARE = 0.25
"""The part of the time after which nothing may grow any more."""

COMERS = 5
"""Sockets that come, are there for a moment, and go."""
FAULT_SECONDS = 1.2
REST_SECONDS = 0.8
SETTLED_SECONDS = 30.0 + SOAK_SECONDS / 10
"""What has gathered on disk under faults without end may take so long to be written."""

MOST_MEMORY = 24 * MIB
"""Beside the first, later readings may have so much more: what an allocator keeps after a fault."""
LONG_SECONDS = 1800.0
FLAT = 12.0
"""MiB an hour; what a shorter soak reads of that is the scatter of its readings."""
MOST_FILES = 10
MOST_GREEN = 10


@dataclass(slots=True)
class Readings:
    """What was seen of the worker, reading by reading."""

    times: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    green: list[int] = field(default_factory=list)

    def read(self, server: HeraldServer) -> None:
        """Take one more."""
        pid = server.worker_pid
        self.times.append(time.monotonic())
        self.memory.append(resident_bytes(pid))
        self.files.append(open_files(pid))
        self.green.append(int(str(state_of(server)["green threads"])))

    @property
    def slope(self) -> float:
        """How many MiB of memory an hour came to beside what was there."""
        return linear_regression(self.times, self.memory).slope * 3600 / MIB

    def __str__(self) -> str:
        rows: dict[str, list[float]] = {
            "memory MiB": [value / MIB for value in self.memory],
            "descriptors": [*self.files],
            "green threads": [*self.green],
        }
        return f"memory {self.slope:+.1f} MiB an hour; " + "; ".join(
            f"{name} {median(row[: len(row) // 4 + 1]):.0f} in the first quarter, "
            f"{median(row[-len(row) // 4 :]):.0f} in the last, {max(row):.0f} at most"
            for name, row in rows.items()
        )


def killed(database: MongoServer, wait: Callable[[float], None]) -> None:
    """Kill MongoDB and start it again."""
    database.kill()
    wait(FAULT_SECONDS)
    database.start()


def frozen(database: MongoServer, wait: Callable[[float], None]) -> None:
    """Freeze it for a while."""
    database.freeze()
    wait(FAULT_SECONDS)
    database.thaw()


def failing(database: MongoServer, wait: Callable[[float], None]) -> None:
    """Have some writes refused."""
    database.fail(6, ["insert"], errorCode=91)
    wait(FAULT_SECONDS)
    database.heal()


def slow(database: MongoServer, wait: Callable[[float], None]) -> None:
    """Have writes take longer than they may."""
    database.fail(None, ["insert"], blockConnection=True, blockTimeMS=1200)
    wait(FAULT_SECONDS)
    database.heal()


FAULTS = [killed, frozen, failing, slow]


@contextmanager
def churn(server: HeraldServer, key: str) -> Iterator[list[int]]:
    """Have sockets come and go all the while; the one number counts them."""
    ended, came = threading.Event(), [0]

    def come_and_go() -> None:
        while not ended.is_set():
            with Crowd(server.port, COMERS, key) as crowd:
                crowd.read_some(0.2)
                came[0] += len(crowd.members)
            ended.wait(0.3)

    thread = threading.Thread(target=come_and_go, name="churn")
    thread.start()
    try:
        yield came
    finally:
        ended.set()
        thread.join(20)


@pytest.mark.timeout(120 + 1.2 * SOAK_SECONDS)
def test_soak(home: Path, mongod: MongoServer) -> None:
    """Memory, descriptors and green threads are at the end what they were when all was warm."""
    mongod.start()
    with herald(home, {"MONGO_URI": mongod.uri}) as server:
        key = full_key(server)
        with load(server, key, rate=SOAK_RATE) as running, churn(server, key) as came:
            readings, faults = suffer(running, mongod)
        verdict = running.ledger.settle(
            lambda: event_log.in_mongodb(mongod, running.ledger), SETTLED_SECONDS
        )
        say(
            f"soak of {SOAK_SECONDS:.0f} s",
            f"{came[0]} sockets came and went, faults: {dict(Counter(faults))}",
            verdict,
            running.deliveries(),
            f"delivery {percentiles(running.delivery_times())}",
            f"answers {percentiles(running.ledger.answer_times())}",
            str(readings),
            f"counters {counters_of(server, 'mongodb')}",
        )
        assert server.stop() == 0
    assert verdict.faults == {}
    assert verdict.refused == {}
    assert running.deliveries().faults == {}
    for name, row, most in (
        ("memory", readings.memory, MOST_MEMORY),
        ("files", readings.files, MOST_FILES),
        ("green threads", readings.green, MOST_GREEN),
    ):
        first, last = row[0], min(row[-3:])
        assert last <= first + most, f"{name}: {first} when warm, {last} at the end"
    if SOAK_SECONDS >= LONG_SECONDS:
        assert readings.slope <= FLAT, f"memory grows by {readings.slope:.1f} MiB an hour"
    printed = server.log_text()
    assert "Traceback" not in printed, printed[printed.index("Traceback") - 500 :][:3000]


def suffer(running: Load, database: MongoServer) -> tuple[Readings, list[str]]:
    """Have faults until the time is over; return what was seen of the worker between them."""
    chance = random.Random(SOAK_SECONDS)
    readings, suffered = Readings(), []
    began = time.monotonic()
    warm, end = began + WARM_SHARE * SOAK_SECONDS, began + SOAK_SECONDS

    def wait(seconds: float) -> None:
        running.ledger.await_acknowledged(int(seconds * SOAK_RATE), seconds + 20)

    # Each at least once, so that what a fault leaves behind for good is there when all is warm.
    waiting = chance.sample(FAULTS, len(FAULTS))
    while time.monotonic() < end or waiting:
        fault = waiting.pop() if waiting else chance.choice(FAULTS)
        fault(database, wait)
        suffered.append(fault.__name__)
        wait(REST_SECONDS)
        if not waiting and time.monotonic() > warm:
            readings.read(running.server)
    while len(readings.memory) < 4:
        wait(REST_SECONDS)
        readings.read(running.server)
    return readings, suffered
