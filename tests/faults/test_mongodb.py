"""MongoDB down, killed, frozen, failing, slow: nothing is lost, and sockets do not notice."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logger_lib import JsonObject
from tests.faults.conftest import (
    BEFORE_SECONDS,
    FAULT_SECONDS,
    KILLS,
    RATE,
    Load,
    counters_of,
    full_key,
    herald,
    judge,
    load,
)
from tests.services import event_log
from tests.services.herald import HeraldServer
from tests.services.mongod import MongoServer

pytestmark = pytest.mark.timeout(90 + 4 * FAULT_SECONDS + 5 * KILLS)

FRESH = 20
"""Events that are published after a fault, and must be in the log like all others."""
BOOT_SECONDS = 10.0
WRITES = ("insert", "update", "bulkWrite")

FAIL_POINTS: dict[str, JsonObject] = {
    "NotWritablePrimary": {"errorCode": 10107},
    "ShutdownInProgress": {"errorCode": 91},
    "InterruptedAtShutdown": {"errorCode": 11600},
    "PrimarySteppedDown": {"errorCode": 189},
    "closed connection": {"closeConnection": True},
    "write concern error": {"writeConcernError": {"code": 64, "errmsg": "waited too long"}},
}
"""Each for four commands in turn: PyMongo's own second try fails too."""
TIMES = 4
KILL_RATE = 3 * RATE
STEPPED_DOWN_SECONDS = 11
"""The least that there is."""
SLOW: JsonObject = {"blockConnection": True, "blockTimeMS": 1_500}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The MongoDB of these tests; each leaves it running and well."""
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, database: MongoServer
) -> Iterator[HeraldServer]:
    """A Herald whose log is there."""
    environ = {"MONGO_URI": database.uri}
    with herald(tmp_path_factory.mktemp("herald"), environ) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: HeraldServer) -> str:
    """A key for all of it."""
    return full_key(server)


def judge_log(what: str, running: Load, database: MongoServer, fault: tuple[float, float]) -> None:
    """Judge what is in ``database``; ``fault`` is when it began and ended."""
    judge(what, running, lambda ledger: event_log.in_mongodb(database, ledger), "mongodb", fault)


def suffer(
    what: str, server: HeraldServer, key: str, database: MongoServer, fault: Callable[[Load], None]
) -> None:
    """Have ``fault`` under load, with some load before it, and fresh events after it."""
    with load(server, key) as running:
        running.last(BEFORE_SECONDS)
        began = time.monotonic()
        fault(running)
        ended = time.monotonic()
        running.ledger.await_acknowledged(FRESH)
    judge_log(what, running, database, (began, ended))


def test_down_at_the_start(home: Path, mongod: MongoServer) -> None:
    """Herald starts without it, takes events, and writes them once it is there."""
    began = time.monotonic()
    with herald(home, {"MONGO_URI": mongod.uri}) as server:
        booted = time.monotonic() - began
        key = full_key(server)
        with load(server, key) as running:
            away = time.monotonic()
            running.last(FAULT_SECONDS)
            mongod.start()
            back = time.monotonic()
            running.ledger.await_acknowledged(FRESH)
        judge_log(f"down at the start (booted in {booted:.1f} s)", running, mongod, (away, back))
        assert server.stop() == 0
    assert booted < BOOT_SECONDS


def test_down_for_a_while(server: HeraldServer, key: str, database: MongoServer) -> None:
    """It is killed, and started again some time later."""

    def down(running: Load) -> None:
        database.kill()
        running.last(FAULT_SECONDS)
        database.start()

    suffer(f"down for {FAULT_SECONDS:.0f} s", server, key, database, down)


def test_killed_in_a_batch(server: HeraldServer, key: str, database: MongoServer) -> None:
    """It is killed while batches are written, again and again, and started at once."""

    def killed(running: Load) -> None:
        for _ in range(KILLS):
            running.last(0.3)
            database.kill()
            database.start()

    with load(server, key, publishers=8, rate=KILL_RATE) as running:
        running.last(BEFORE_SECONDS)
        began = time.monotonic()
        killed(running)
        ended = time.monotonic()
        running.ledger.await_acknowledged(FRESH)
    judge_log(f"killed {KILLS} times", running, database, (began, ended))


def test_frozen(server: HeraldServer, key: str, database: MongoServer) -> None:
    """It takes connections and answers nothing."""

    def frozen(running: Load) -> None:
        database.freeze()
        try:
            running.last(FAULT_SECONDS)
        finally:
            database.thaw()

    suffer(f"frozen for {FAULT_SECONDS:.0f} s", server, key, database, frozen)


def test_fail_points(server: HeraldServer, key: str, database: MongoServer) -> None:
    """It refuses writes for each reason that a failover has, or leaves them unconfirmed."""

    def failing(running: Load) -> None:
        for data in FAIL_POINTS.values():
            database.fail(TIMES, WRITES, **data)
            running.last(0.5)
        database.heal()

    before = counters_of(server, "mongodb")
    suffer(", ".join(FAIL_POINTS), server, key, database, failing)
    after = counters_of(server, "mongodb")
    assert after["spooled"] > before["spooled"], "the faults were not noticed"


def test_stepped_down(server: HeraldServer, key: str, database: MongoServer) -> None:
    """It is no primary until its time is over, or until another one has its address."""

    def stepped_down(running: Load) -> None:
        database.step_down(STEPPED_DOWN_SECONDS)
        running.last(FAULT_SECONDS)
        if FAULT_SECONDS < STEPPED_DOWN_SECONDS:
            database.kill()
            database.start()

    suffer("stepped down", server, key, database, stepped_down)


def test_slow(server: HeraldServer, key: str, database: MongoServer) -> None:
    """Every write takes longer than a publish waits for it."""

    def slow(running: Load) -> None:
        database.fail(None, WRITES, **SLOW)
        try:
            running.last(FAULT_SECONDS)
        finally:
            database.heal()

    suffer(f"writes take {SLOW['blockTimeMS']} ms", server, key, database, slow)
