"""Hits that were answered 202 are stored, once, whatever happens to the server and its database."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from logger_lib import JsonValue
from tests.faults.conftest import KILLS, percentiles, say
from tests.faults.kills import BETWEEN, kill_in_turn
from tests.faults.test_databases import SECRET, SERVERS, proxied
from tests.services.herald import HeraldServer, wait_until
from tests.services.hit_ledger import stored_in
from tests.services.hits import Senders, counted, hits_in_server, hits_of, message_ids
from tests.services.ledger import Ledger
from tests.services.ports import lasting_port
from webapp.access.scopes import Scope
from webapp.collect.collector import NAME
from webapp.storage.database import Database

SENDERS = 8
MARGIN = 3.0
"""Seconds more that a batch may take, on a machine that others use."""
EVENT = "faults"


@contextmanager
def started(home: Path, **environ: str) -> Iterator[tuple[HeraldServer, str]]:
    """Yield a server that comes back on the same port, and a key to collect with."""
    server = HeraldServer(home, environ, lasting_port())
    with server:
        yield server, server.issue_key(Scope.COLLECT)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Have another process' transaction keep everybody from writing."""
    with closing(sqlite3.connect(home / "herald.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def send(server: HeraldServer, key: str, count: int, begin: int = 0) -> None:
    """Send hits in one batch, all of which must be taken."""
    numbers = range(begin, begin + count)
    hits: list[JsonValue] = [{"event": EVENT, "messageId": f"{number}"} for number in numbers]
    answer = server.post("/collect", {"batch": hits}, key)
    assert (answer.status_code, answer.json()["accepted"]) == (202, count), answer.text


def stored(server: HeraldServer) -> int:
    """Return how many hits are stored, none of which may be there twice."""
    ids = message_ids(server.home, EVENT)
    assert len(set(ids)) == len(ids)
    return len(ids)


def await_stored(server: HeraldServer, count: int, seconds: float) -> None:
    """Return when so many are stored and all of them are counted, each once."""
    wait_until(lambda: stored(server) == count, f"{count} hits in the database", seconds)
    assert counted(server.home, EVENT) == count


@pytest.mark.timeout(60 + 10 * KILLS)
def test_kill(home: Path, any_database: Database) -> None:
    """SIGKILL under load, again and again: what was acknowledged is stored and counted, once."""
    url = any_database.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "SECRET_KEY": SECRET, "EVENT_LOGGERS": "logging"}
    chance, ledger = random.Random(6), Ledger()
    with (
        started(home, **environ) as (server, key),
        Senders(server.port, key, ledger, count=SENDERS) as senders,
    ):
        away = kill_in_turn(server, ledger, chance)
        senders.stop()
        verdict = ledger.settle(lambda: hits_in_server(url, ledger), 20)
        assert server.stop() == 0
    say(
        f"killed {KILLS} times",
        verdict,
        f"away {percentiles(away)}",
        f"answers {percentiles(ledger.answer_times())}",
    )
    assert verdict.faults == {}
    assert verdict.refused == {}
    assert verdict.acknowledged > KILLS * BETWEEN[0]
    kept = stored_in(url)
    assert (kept.faults([]), kept.rows) == ({}, verdict.found)


def test_the_file_is_locked(home: Path) -> None:
    """While another process has SQLite's file locked, hits go to the spool, and then into it."""
    ledger = Ledger()
    with started(home) as (server, key):
        with Senders(server.port, key, ledger, rate=100.0) as senders:
            ledger.await_acknowledged(50)
            with locked(home):
                ledger.await_acknowledged(200)
            ledger.await_acknowledged(20)
            senders.stop()
        verdict = ledger.settle(lambda: hits_of(home, ledger), 20)
        assert "records are kept on disk" in server.log_text()
        assert server.stop() == 0
    say("SQLite locked", verdict, f"answers {percentiles(ledger.answer_times())}")
    assert (verdict.faults, verdict.refused) == ({}, {})
    assert counted(home, ledger.event) == verdict.found


@pytest.mark.parametrize("engine", SERVERS)
def test_the_database_server_is_cut_off(engine: str, home: Path) -> None:
    """Hits go to the spool, and to the database server when it is back, on each kind of server."""
    ledger = Ledger()
    with (
        proxied(engine) as (proxy, direct, by_proxy),
        started(home, DATABASE_URL=by_proxy, SECRET_KEY=SECRET) as (server, key),
    ):
        with Senders(server.port, key, ledger, rate=100.0) as senders:
            ledger.await_acknowledged(50)
            proxy.cut()
            ledger.await_acknowledged(150)
            proxy.heal()
            ledger.await_acknowledged(20)
            senders.stop()
        verdict = ledger.settle(lambda: hits_in_server(direct, ledger), 20)
        assert server.stop() == 0
    say(f"{engine} cut off", verdict, f"answers {percentiles(ledger.answer_times())}")
    assert (verdict.faults, verdict.refused) == ({}, {})


def test_a_full_spool(home: Path) -> None:
    """Where the spool is full too hits are refused, with the next step; later all is well again."""
    ledger = Ledger(size=20_000)
    with started(home, SPOOL_MAX_BYTES="1048576") as (server, key):
        with Senders(server.port, key, ledger) as senders:
            ledger.await_acknowledged(5)
            with locked(home):
                ledger.await_refused(5)
            ledger.await_acknowledged(50)
            senders.stop()
        verdict = ledger.settle(lambda: hits_of(home, ledger), 20)
        assert server.stop() == 0
    refused = [entry for entry in ledger.entries if entry.status == 503]
    say("SQLite locked, the spool full", verdict)
    assert {entry.retry_after for entry in refused} == {"2"}
    assert all("send the same" in entry.said for entry in refused)
    assert (verdict.faults, set(verdict.refused)) == ({}, {503})


@pytest.mark.parametrize("count", [1, 499])
def test_silence(home: Path, count: int) -> None:
    """499 hits and then silence: they are stored when ``COLLECT_BATCH_SECONDS`` are over."""
    seconds = 2.0
    environ = {"EVENT_ACK": "queued", "COLLECT_BATCH_SECONDS": f"{seconds}"}
    with started(home, **environ) as (server, key):
        send(server, key, 1)
        await_stored(server, 1, seconds + MARGIN)
        began = time.monotonic()
        send(server, key, count, 1)
        assert stored(server) == 1
        await_stored(server, count + 1, seconds + MARGIN)
        assert time.monotonic() - began > seconds / 2


def test_a_full_batch(home: Path) -> None:
    """``COLLECT_BATCH_SIZE`` hits are stored at once; what is beside them waits."""
    environ = {"EVENT_ACK": "queued", "COLLECT_BATCH_SIZE": "100", "COLLECT_BATCH_SECONDS": "60"}
    with started(home, **environ) as (server, key):
        send(server, key, 99)
        send(server, key, 2, 99)
        await_stored(server, 100, 10)
        send(server, key, 99, 101)
        await_stored(server, 200, 10)


def test_the_end(home: Path) -> None:
    """On SIGTERM what waits is stored, or spooled where it cannot be and stored by the next."""
    environ = {"EVENT_ACK": "queued", "COLLECT_BATCH_SECONDS": "60"}
    with started(home, **environ) as (server, key):
        send(server, key, 30)
        assert stored(server) == 0
        assert server.stop() == 0
        assert stored(server) == 30
        server.start()
        send(server, key, 30, 30)
        with locked(home):
            server.stop()
        assert stored(server) == 30
        assert list((home / "spool" / NAME).iterdir())
        server.start()
        await_stored(server, 60, 20)
        assert server.stop() == 0
