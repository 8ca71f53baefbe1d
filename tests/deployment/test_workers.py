"""Several processes behind one port: even shares, one greeting, one log, an orderly end."""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests

from tests.deployment.crew import Crew
from tests.deployment.deployed import Deployed
from tests.services.herald import STOP_SECONDS, HeraldServer, wait_until
from tests.services.redis_server import RedisServer

WORKERS = 3
SOCKETS = 300
GOING_AWAY = 1001
BOOT_SECONDS = 60.0
"""For the start of several workers at once on a machine that has other things to do."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """The Redis by which workers hear each other."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[HeraldServer]:
    """Three workers with the embedded database, asked for in the one way that counts."""
    environ = {
        "WORKERS": str(WORKERS),
        "REDIS_URL": redis.url,
        "SOCKET_TRANSPORTS": "websocket",
        "WEB_CONCURRENCY": "4",
    }
    server = HeraldServer(tmp_path_factory.mktemp("three"), environ)
    try:
        server.start("-w", "2")
        yield server
    finally:
        server.stop()


def test_as_many_as_workers_says(three: HeraldServer) -> None:
    """There are WORKERS workers, whatever WEB_CONCURRENCY and -w say."""
    wait_until(lambda: len(three.worker_pids()) == WORKERS, "all workers", BOOT_SECONDS)
    assert "Herald runs as 3 workers, not as 2 (WORKERS)" in three.log_text()


def test_signals_that_ask_for_other_numbers(three: HeraldServer, herald: HeraldServer) -> None:
    """SIGTTIN and SIGTTOU change nothing, and the log names what would."""
    wait_until(lambda: len(three.worker_pids()) == WORKERS, "all workers", BOOT_SECONDS)
    for server, number, told in (
        (three, signal.SIGTTOU, "3 workers, not as 2 (WORKERS)"),
        (three, signal.SIGTTIN, "3 workers, not as 4 (WORKERS)"),
        (herald, signal.SIGTTIN, "one worker, not as 2 (WORKERS)"),
    ):
        pids = server.worker_pids()
        # When the second one is refused, all is done that came of the first one.
        for _ in range(2):
            before = server.log_text().count(told)
            server.process.send_signal(number)
            wait_until(lambda: server.log_text().count(told) > before, told)  # noqa: B023
        assert server.worker_pids() == pids


def test_even_shares(three: HeraldServer) -> None:
    """300 sockets are shared out evenly, also by those who have begun later."""
    with Crew(three) as crew:
        crew.connect_until_all_serve()
        crew.connect(SOCKETS - len(crew.clients))
        shares = crew.shares()
        assert sum(shares.values()) == SOCKETS
        _require_even(shares)


def test_a_killed_worker(three: HeraldServer) -> None:
    """A killed worker is replaced, takes nobody else's sockets along, and its heir catches up."""
    with Crew(three) as crew:
        crew.connect_until_all_serve()
        crew.connect(SOCKETS // 2 - len(crew.clients))
        before = crew.shares()
        killed = next(iter(before))
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: killed not in three.worker_pids() and len(three.worker_pids()) == WORKERS,
            "another worker",
            BOOT_SECONDS,
        )
        others = {pid: count for pid, count in before.items() if pid != killed}
        assert others.items() <= crew.shares().items()
        crew.connect_until_all_serve()
        crew.connect(SOCKETS - sum(crew.shares().values()))
        _require_even(crew.shares())


def test_one_log(three: HeraldServer) -> None:
    """What several workers take while the database takes nothing is in the log, once, afterwards.

    That is so also for what a worker had put into the spool that was killed then.
    """
    database = three.home / "herald.db"
    with Crew(three) as crew:
        crew.connect_until_all_serve()
    key = three.first_key
    other = sqlite3.connect(database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        # Each call is a connection of its own, so all workers have some.
        answers = [three.post("/events", {"event": "held", "data": {}}, key) for _ in range(12)]
        assert {answer.status_code for answer in answers} == {202}
        os.kill(three.worker_pids()[0], signal.SIGKILL)
        other.execute("ROLLBACK")
        published = sorted(str(answer.json()["id"]) for answer in answers)
        wait_until(lambda: _held(other) == published, "all events in the log", 30)
    finally:
        other.close()


def _answers(server: HeraldServer) -> bool:
    try:
        return requests.get(f"{server.url}/health/live", timeout=1).ok
    except requests.RequestException:
        return False


def _require_even(shares: Mapping[int, int]) -> None:
    """Check that nobody has less than half of its share, or half of one more."""
    fair = sum(shares.values()) / len(shares)
    assert fair / 2 <= min(shares.values()) <= max(shares.values()) <= fair * 1.5, shares


def _held(database: sqlite3.Connection) -> list[str]:
    rows = database.execute(
        "SELECT id FROM event_log WHERE event = 'held' AND id = event_id ORDER BY id"
    )
    return [str(row[0]) for row in rows]


def test_a_worker_killed_while_redis_is_away(three: HeraldServer, redis: RedisServer) -> None:
    """Another one takes its place; the workers that there are go on."""
    wait_until(lambda: len(three.worker_pids()) == WORKERS, "all workers", BOOT_SECONDS)
    killed, *others = three.worker_pids()
    redis.kill()
    try:
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: len({*three.worker_pids()} - {killed}) == WORKERS, "another", BOOT_SECONDS
        )
        with Crew(three) as crew:
            crew.connect_until_all_serve()
            assert {*others} < crew.shares().keys()
    finally:
        redis.start()
    assert "failed to boot" not in three.log_text()


def test_a_reload(three: HeraldServer) -> None:
    """A reload (SIGHUP) sends all sockets away in order, and leaves as many workers as before."""
    with Crew(three) as crew:
        crew.connect_until_all_serve()
        old = set(three.worker_pids())
        three.process.send_signal(signal.SIGHUP)
        assert {client.end(STOP_SECONDS) for client in crew.clients} == {GOING_AWAY}
        wait_until(lambda: not old & set(three.worker_pids()), "other workers", BOOT_SECONDS)
    wait_until(lambda: _answers(three), "an answer of a new worker", BOOT_SECONDS)
    with Crew(three) as crew:
        crew.connect_until_all_serve()
        assert len(crew.shares()) == WORKERS
    assert three.log_text().count("Herald listens") == 1


def test_all_drain(three: HeraldServer) -> None:
    """SIGTERM has every worker send its sockets away in order, and all end well and in time.

    The last test of this server.
    """
    with Crew(three) as crew:
        crew.connect_until_all_serve()
        started = time.monotonic()
        three.process.send_signal(signal.SIGTERM)
        assert {client.end(STOP_SECONDS) for client in crew.clients} == {GOING_AWAY}
        assert three.process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - started < STOP_SECONDS / 2
    assert "Traceback" not in three.log_text()


def test_make_run_with_workers(folder: Path, redis: RedisServer) -> None:
    """`make run WORKERS=4` makes tables, secret and first key once, and greets once."""
    command = [
        "make",
        "run",
        f"WORKERS={WORKERS}",
        f"REDIS_URL={redis.url}",
        "SOCKET_TRANSPORTS=websocket",
    ]
    with Deployed(command, folder, {}) as herald:
        wait_until(lambda: herald.output().count("Booting worker") == WORKERS, "all workers")
        wait_until(lambda: herald.get("/health/ready").status_code == 200, "readiness")
    printed = herald.output()
    assert printed.count("Worker exiting") == WORKERS
    assert printed.count("Herald listens") == 1
    assert len(re.findall(r"/auth/login#\S+", printed)) == 1
    assert len(re.findall(r"Bearer herald_", printed)) == 1
    assert "Traceback" not in printed


def test_make_run_with_workers_that_would_not_hear_each_other(folder: Path) -> None:
    """Without what they need, the start is refused, and says all that is missing."""
    refused = Deployed(["make", "run", f"WORKERS={WORKERS}"], folder, {})
    with pytest.raises(AssertionError), refused:
        pass
    printed = refused.output()
    assert re.search(r"^  REDIS_URL must be set where WORKERS is more than 1", printed, re.M)
    assert re.search(r"^  SOCKET_TRANSPORTS must be websocket where WORKERS", printed, re.M)
    assert "Traceback" not in printed
