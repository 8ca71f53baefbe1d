"""How the ``sql`` destination opens a SQLite file that is its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, Pool

from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.errors import RecordsRejected
from tests.logger_lib.conftest import read_all, record

FULL = 2


@pytest.fixture
def built_with_less() -> Iterator[None]:
    """A SQLite that, as some builds, does not wait for the disk unless it is told to."""

    def weaken(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA synchronous=OFF")

    event.listen(Pool, "connect", weaken)
    yield
    event.remove(Pool, "connect", weaken)


def test_a_connection_that_cannot_be_made(home: Path) -> None:
    """A locked file refuses a new connection as it refuses a statement: as SQLAlchemy's error."""
    path = home / "log.db"
    home.mkdir()
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0}, poolclass=NullPool)
    event.listen(engine, "connect", lambda made, _: made.cursor().execute("PRAGMA user_version=1"))
    sink = SqlLoggerFactory(engine).sink
    sink.prepare()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DBAPIError, match="locked"):
            sink.write([record()])
        other.execute("ROLLBACK")
    sink.write([record()])


class Sly(str):
    """A text that says of itself what is not so."""

    __slots__ = ()

    def isprintable(self) -> bool:
        """Say that it is."""
        return True


def test_what_the_driver_cannot_send(home: Path) -> None:
    """It is refused where others of its batch can be sent; alone it may be the driver's fault."""
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    factory.prepare()
    odd = record(message=Sly("\ud800"))
    with pytest.raises(RecordsRejected) as raised:
        factory.sink.write([record("1"), odd, record("2")])
    assert [(refused, "cannot send" in why) for refused, why in raised.value.refusals] == [
        (odd, True)
    ]
    with pytest.raises(TypeError, match="surrogates"):
        factory.sink.write([odd])
    assert [found.event for found in read_all(factory.create_reader())] == ["1", "2"]
    factory.close()


@pytest.mark.usefixtures("built_with_less")
def test_a_commit_is_on_the_disk(home: Path) -> None:
    """Every connection waits for the disk at each commit, whatever the build's default is."""
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    logger = factory.create_logger("test")
    logger.log(record())
    logger.close()
    with factory._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == FULL
    factory.close()
