"""The database: transactions, what an outage looks like, and that the event loop goes on."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import literal, make_url, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from logger_lib.offload import inline
from tests.services.databases import read_only, temporary_mariadb, temporary_postgresql
from webapp.errors import Unavailable
from webapp.storage.database import TRIES, Database
from webapp.storage.engines import _connect_arguments
from webapp.storage.tables import App

Result = TypeVar("Result")
_NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def database(any_database: Database) -> Database:
    """A migrated, empty database of each kind."""
    return any_database


def _app(name: str, at: datetime = _NOON) -> Callable[[Session], None]:
    return lambda session: session.add(App(id=name, name=name, created_at=at))


def _answer_to(number: int, session: Session) -> int | None:
    return session.scalar(select(literal(number)))


def _names(database: Database) -> list[str]:
    return database.run(lambda session: list(session.scalars(select(App.name))))


def test_a_transaction_is_whole_or_nothing(database: Database) -> None:
    """What work did is committed when it returns and undone when it raises, whatever it raises."""
    database.ping()
    database.run(_app("kept"))

    def fails(session: Session) -> None:
        _app("undone")(session)
        session.flush()
        raise KeyError("stop")

    with pytest.raises(KeyError):
        database.run(fails)
    assert _names(database) == ["kept"]


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    """A time is stored as UTC to the second, from any zone, and comes back with its zone."""
    east = timezone(timedelta(hours=5, minutes=30))
    database.run(_app("a", _NOON.astimezone(east) + timedelta(microseconds=900_000)))
    assert database.run(lambda session: session.scalar(select(App.created_at))) == _NOON


def test_text_of_any_script_is_kept(database: Database) -> None:
    """Four-byte characters come back as they went in."""
    database.run(_app("📣 Ünï"))
    assert _names(database) == ["📣 Ünï"]


def test_half_a_statement_harms_nobody_else(database: Database) -> None:
    """A text that cannot be sent fails its caller; each later query gets the answer to itself."""
    database.run(_app("kept"))
    for _ in range(3):
        with pytest.raises(UnicodeEncodeError):
            database.run(_app("half of a character: \ud800"))
        for number in range(20):
            assert database.run(partial(_answer_to, number)) == number
    assert _names(database) == ["kept"]


def test_an_error_of_the_caller_is_no_outage(database: Database) -> None:
    """A violated constraint and a wrong statement stay what they are: nobody is told to retry."""
    database.run(_app("twice"))
    with pytest.raises(IntegrityError):
        database.run(_app("twice"))
    with pytest.raises((ProgrammingError, OperationalError), match="nowhere"):
        database.run(lambda session: session.execute(text("SELECT * FROM nowhere")))


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://root@127.0.0.1:1/herald",
        "postgresql+pg8000://postgres@127.0.0.1:1/herald",
        "sqlite:////nowhere/at/all/herald.db",
    ],
)
def test_out_of_reach_is_unavailable(url: str) -> None:
    """A database that cannot be reached is a 503 that says to come back, on each kind."""
    database = Database(url, inline)
    with pytest.raises(Unavailable) as caught:
        database.ping()
    assert caught.value.retry_after == 2
    database.close()


def test_migrating_what_is_out_of_reach_is_unavailable() -> None:
    """The same holds for the migration at the start."""
    with pytest.raises(Unavailable):
        Database("mysql+pymysql://root@127.0.0.1:1/herald", inline).migrate()


# pg8000 leaves the file object of a socket to the garbage collector where closing it fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("temporary", "who", "kill"),
    [
        (temporary_mariadb, "SELECT CONNECTION_ID()", "KILL {}"),
        (temporary_postgresql, "SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    ],
)
def test_a_lost_connection_is_replaced(
    temporary: Callable[[], AbstractContextManager[str]], who: str, kill: str
) -> None:
    """Connections that the server closed meanwhile do not fail the next call."""
    with temporary() as url:
        database, other = Database(url, inline), Database(url, inline)
        mine = database.run(lambda session: session.scalar(text(who)))
        other.run(lambda session: session.execute(text(kill.format(mine))).close())
        database.ping()
        assert database.run(lambda session: session.scalar(text(who))) != mine
        database.close()
        other.close()


def test_a_connection_lost_in_the_middle_is_unavailable() -> None:
    """A server that goes away within a transaction is an outage, not an error of the caller."""
    with temporary_mariadb() as url:
        database, other = Database(url, inline), Database(url, inline)

        def dies(session: Session) -> None:
            mine = session.scalar(text("SELECT CONNECTION_ID()"))
            other.run(lambda session: session.execute(text(f"KILL {mine}")))
            session.execute(text("SELECT 1"))

        with pytest.raises(Unavailable):
            database.run(dies)
        database.close()
        other.close()


def test_a_server_that_takes_no_writes_is_left() -> None:
    """Read-only after a failover is an outage, and no connection stays with what was the server."""
    with temporary_postgresql() as url:
        database = Database(url, inline)
        database.migrate()
        who = text("SELECT pg_backend_pid()")
        with read_only(url):
            before = database.run(lambda session: session.scalar(who))
            assert _names(database) == []
            with pytest.raises(Unavailable):
                database.run(_app("a"))
        # The setting is one of connections that are made from now on.
        database.run(_app("a"))
        assert database.run(lambda session: session.scalar(who)) != before
        database.close()


def _crossing(database: Database) -> list[int]:
    """Have two transactions each change a row that the other one wants next; return their tries."""
    database.run(_app("a"))
    database.run(_app("b"))
    first_time, tries = threading.Barrier(2), [0, 0]

    def change(session: Session, number: int) -> None:
        tries[number] += 1
        rows = ("a", "b")[:: 1 if number else -1]
        for row in rows:
            session.execute(update(App).where(App.id == row).values(url=f"{number}"))
            if tries[number] == 1 and row == rows[0]:
                first_time.wait(10)

    threads = [
        threading.Thread(target=database.run, args=(partial(change, number=number),))
        for number in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return tries


@pytest.mark.parametrize("temporary", [temporary_mariadb, temporary_postgresql])
def test_of_two_that_wait_for_each_other_none_fails(
    temporary: Callable[[], AbstractContextManager[str]],
) -> None:
    """Of two transactions in a deadlock the server undoes one, which is done again."""
    with temporary() as url:
        database = Database(url, inline)
        database.migrate()
        tries = _crossing(database)
        assert sorted(tries) == [1, 2]
        urls = database.run(lambda session: list(session.scalars(select(App.url))))
        assert urls == [str(tries.index(2))] * 2
        database.close()


def test_what_is_undone_again_and_again_is_unavailable() -> None:
    """There is an end to trying again, and whoever called is told to come back."""
    with temporary_postgresql() as url:
        database = Database(url, inline)
        tried: list[int] = []
        undone = "DO $$ BEGIN RAISE EXCEPTION 'undone' USING ERRCODE = '40001'; END $$"

        def work(session: Session) -> None:
            tried.append(1)
            session.execute(text(undone))

        with pytest.raises(Unavailable):
            database.run(work)
        assert len(tried) == TRIES
        database.close()


def test_sqlite_is_set_up_for_safety(tmp_path: Path) -> None:
    """SQLite commits durably, lets readers read on, waits for writers and holds foreign keys."""
    database = Database(f"sqlite:///{tmp_path}/herald.db", inline)
    pragmas = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    found = [
        database.run(lambda session, pragma=pragma: session.scalar(text(f"PRAGMA {pragma}")))  # type: ignore[misc] # a default argument in a lambda has no place for its type
        for pragma in pragmas
    ]
    assert found == ["wal", 2, 0, 1]
    database.close()


def test_only_sqlite_goes_through_the_offload(tmp_path: Path) -> None:
    """SQLite's work runs where the offload puts it; a server's stays in the calling thread."""
    used: list[str] = []

    class Noted:
        def __call__(self, call: Callable[[], Result], /) -> Result:
            used.append(threading.current_thread().name)
            return call()

    local = Database(f"sqlite:///{tmp_path}/herald.db", Noted())
    local.ping()
    local.close()
    assert len(used) == 1
    with temporary_postgresql() as url:
        server = Database(url, Noted())
        server.ping()
        server.close()
    assert len(used) == 1


def test_logging_is_left_alone(tmp_path: Path) -> None:
    """Neither the engine nor a migration adds a handler or changes the level of the root logger."""
    before = (list(logging.root.handlers), logging.root.level, logging.root.manager.disable)
    database = Database(f"sqlite:///{tmp_path}/herald.db", inline)
    database.migrate()
    database.close()
    assert (list(logging.root.handlers), logging.root.level, logging.root.manager.disable) == before
    assert logging.getLogger("sqlalchemy").handlers == []
    assert not logging.getLogger("tests").disabled


@pytest.mark.parametrize(
    ("query", "context"),
    [("", None), ("?sslmode=disable", False), ("?sslmode=require", True)],
)
def test_sslmode_is_understood(query: str, context: bool | None) -> None:
    """The sslmode that hosts write for libpq means the same for pg8000."""
    arguments = _connect_arguments(make_url(f"postgresql+pg8000://db/h{query}"), bounded=False)
    assert arguments.get("ssl_context") is context


def test_sslmode_can_demand_a_certificate() -> None:
    """verify-ca checks the certificate, verify-full its name too."""
    for mode, checks_name in (("verify-ca", False), ("verify-full", True)):
        url = make_url(f"postgresql+pg8000://db/h?sslmode={mode}")
        context = _connect_arguments(url, bounded=False)["ssl_context"]
        assert not isinstance(context, (int, str))
        assert context.check_hostname is checks_name


@pytest.mark.parametrize("program", ["patched_process.py", "crossing_process.py"])
def test_the_event_loop_goes_on(program: str, tmp_path: Path) -> None:
    """Under eventlet a locked SQLite file holds up its caller alone, and no thread another one."""
    script = Path(__file__).with_name(program)
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.returncode) == ("went on\n", 0), done.stderr
