"""How the ``sql`` destination opens a SQLite file that is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from logger_lib.destinations.sql import SqlLoggerFactory
from tests.logger_lib.conftest import record

FULL = 2


@pytest.fixture
def built_with_less() -> Iterator[None]:
    """A SQLite that, as some builds, does not wait for the disk unless it is told to."""

    def weaken(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA synchronous=OFF")

    event.listen(Pool, "connect", weaken)
    yield
    event.remove(Pool, "connect", weaken)


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
