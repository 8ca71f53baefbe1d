"""A locked SQLite file, and database servers out of reach or refusing every write."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from logger_lib import JsonObject
from tests.faults.conftest import (
    BEFORE_SECONDS,
    FAULT_SECONDS,
    counters_of,
    full_key,
    herald,
    judge,
    load,
)
from tests.services import event_log
from tests.services.databases import (
    read_only,
    renamed,
    temporary_mariadb,
    temporary_postgresql,
)
from tests.services.fault_proxy import FaultProxy
from tests.services.herald import wait_until

pytestmark = pytest.mark.timeout(90 + 4 * FAULT_SECONDS)

SECRET = "a secret that is long enough for the tests"
EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}
FRESH = 20
FRESH_SECONDS = 5.0
SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "postgresql": temporary_postgresql,
    "mariadb": temporary_mariadb,
}


def test_sqlite_is_locked(home: Path) -> None:
    """Another process has the file locked for longer than the log waits for it."""
    with herald(home) as server:
        with load(server, full_key(server)) as running:
            running.last(BEFORE_SECONDS)
            with closing(sqlite3.connect(home / "herald.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                running.last(FAULT_SECONDS)
                other.execute("ROLLBACK")
                ended = time.monotonic()
            running.ledger.await_acknowledged(FRESH)
        judge(
            f"SQLite locked for {ended - began:.1f} s",
            running,
            lambda ledger: event_log.in_sqlite(home, ledger),
            "sql",
            (began, ended),
        )
        assert server.stop() == 0


@contextmanager
def proxied(engine: str) -> Iterator[tuple[FaultProxy, str, str]]:
    """Yield a proxy before a database server, and the address of the database past and by it."""
    with SERVERS[engine]() as direct:
        url = make_url(direct)
        assert url.port is not None
        with FaultProxy(url.port) as proxy:
            by_proxy = url.set(host="127.0.0.1", port=proxy.port)
            yield proxy, direct, by_proxy.render_as_string(hide_password=False)


@pytest.mark.parametrize("engine", SERVERS)
def test_the_database_server_is_cut_off(engine: str, home: Path) -> None:
    """Keys that were seen go on working, others are 503, and nothing that was taken is lost."""
    with proxied(engine) as (proxy, direct, by_proxy):
        environ = {"DATABASE_URL": by_proxy, "SECRET_KEY": SECRET}
        with herald(home, environ) as server:
            key, unseen = full_key(server), full_key(server)
            with load(server, key) as running:
                running.last(BEFORE_SECONDS)
                began = time.monotonic()
                proxy.cut()
                running.last(FAULT_SECONDS)
                refusal = server.post("/events", EVENT, unseen)
                proxy.heal()
                ended = time.monotonic()
                running.ledger.await_acknowledged(FRESH)
            judge(
                f"{engine} cut off for {ended - began:.1f} s",
                running,
                lambda ledger: event_log.in_database(direct, ledger),
                "sql",
                (began, ended),
            )
            assert refusal.status_code == 503, refusal.text
            assert refusal.headers["Retry-After"]
            wait_until(
                lambda: server.post("/events", EVENT, unseen).status_code == 202,
                "the acceptance of the other key",
                FRESH_SECONDS,
            )
            assert server.stop() == 0


@pytest.mark.parametrize("engine", SERVERS if FAULT_SECONDS > 5 else ["postgresql"])
def test_the_database_server_is_half_open(engine: str, home: Path) -> None:
    """It has gone without a word: connections seem to be there, and nothing is ever answered."""
    with proxied(engine) as (proxy, direct, by_proxy):
        environ = {"DATABASE_URL": by_proxy, "SECRET_KEY": SECRET}
        with herald(home, environ) as server:
            with load(server, full_key(server)) as running:
                running.last(BEFORE_SECONDS)
                began = time.monotonic()
                proxy.half_open()
                running.last(FAULT_SECONDS)
                proxy.heal()
                ended = time.monotonic()
                running.ledger.await_acknowledged(FRESH)
            judge(
                f"{engine} half-open for {ended - began:.1f} s",
                running,
                lambda ledger: event_log.in_database(direct, ledger),
                "sql",
                (began, ended),
            )
            assert server.stop() == 0


def refused(
    what: str, url: str, home: Path, refusing: Callable[[], AbstractContextManager[None]]
) -> None:
    """Publish before, while and after the database at ``url`` refuses writes; all is kept."""
    with herald(home, {"DATABASE_URL": url, "SECRET_KEY": SECRET}) as server:
        with load(server, full_key(server)) as running:
            running.last(BEFORE_SECONDS)
            began = time.monotonic()
            with refusing():
                running.last(FAULT_SECONDS)
                spooled = counters_of(server, "sql")["spooled"]
            ended = time.monotonic()
            running.ledger.await_acknowledged(FRESH)
        judge(
            what,
            running,
            lambda ledger: event_log.in_database(url, ledger),
            "sql",
            (began, ended),
        )
        assert spooled, "the fault was not noticed"
        assert server.stop() == 0


def test_the_database_server_is_read_only(home: Path) -> None:
    """As after a failover: nothing becomes a dead letter, and old connections are not kept."""
    with temporary_postgresql() as url:
        refused("PostgreSQL read-only", url, home, lambda: read_only(url))


@pytest.mark.parametrize("engine", SERVERS)
def test_the_table_is_missing(engine: str, home: Path) -> None:
    """What an operator can mend is waited for, and is no record's fault."""
    with SERVERS[engine]() as url:
        refused(f"{engine} without the table", url, home, lambda: renamed(url, "event_log"))
