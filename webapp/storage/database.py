"""Transactions on the database, off the event loop where the driver would block it."""

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.orm import Session, configure_mappers

from logger_lib.offload import Offload, inline
from logger_lib.sql_errors import is_refusal, is_undone
from webapp.errors import Unavailable
from webapp.storage import migration
from webapp.storage.engines import is_sqlite, pooled_engine
from webapp.storage.locked_file import Unlocked

Result = TypeVar("Result")

TRIES = 4
"""How often a transaction is tried that the database has undone in favour of another one."""

PAUSE_SECONDS = 0.05
"""How long it waits at most before the next one; not always as long, lest both come at once."""


class Database:
    """One database, as many transactions at once as its pool has connections.

    SQLite's driver waits in C, so its transactions go through ``offload``, one at a time; those of
    MySQL and PostgreSQL use sockets that let the event loop go on, and run where they are called.
    Work is done again while another process has SQLite's file locked, and where a server has undone
    it in favour of another transaction: it must be repeatable.
    """

    def __init__(self, url: str, offload: Offload) -> None:
        self._url = url
        self._engine = pooled_engine(url)
        self._offload = Unlocked(offload) if is_sqlite(make_url(url)) else inline
        # Now, as their locks would otherwise be taken first in a thread of the offload.
        configure_mappers()
        self._engine.pool.logger.isEnabledFor(logging.DEBUG)

    @property
    def engine(self) -> Engine:
        """The engine itself. Under eventlet use it inside ``run`` alone where it is SQLite's."""
        return self._engine

    @property
    def offload(self) -> Offload:
        """How a call that uses the engine has to be made."""
        return self._offload

    def run(self, work: Callable[[Session], Result]) -> Result:
        """Return what ``work`` returns; what it did is committed, or undone where it raised.

        ``work`` must return plain values: rows are not to be used outside. Raises ``Unavailable``
        where the database is out of reach, and then cannot say whether a commit went through.
        """
        with _outage_named():
            return self._offload(lambda: self._transaction(work))

    def _transaction(self, work: Callable[[Session], Result]) -> Result:
        for _ in range(TRIES - 1):
            try:
                return self._try(work)
            except DBAPIError as error:
                if not is_undone(error):
                    raise
            time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  nobody gains by guessing it
        return self._try(work)

    def _try(self, work: Callable[[Session], Result]) -> Result:
        with Session(self._engine) as session, session.begin():
            return work(session)

    def for_reading(self, offload: Offload) -> "Database":
        """Return one whose transactions do not wait for those of this one.

        SQLite lets others read while one writes, so it gets an ``offload`` of its own; servers are
        asked at once by as many as there are connections, and it is this very database. Close it.
        """
        return self if self._offload is inline else Database(self._url, offload)

    def ping(self) -> None:
        """Return where the database answers; raises ``Unavailable`` where it does not."""
        self.run(lambda session: session.execute(text("SELECT 1")).scalar_one())

    def migrate(self) -> None:
        """Bring the tables up to date; processes that start at once wait for each other.

        For the start alone: it runs in the calling thread, SQLite or not. Raises ``Unavailable``
        where the database is out of reach, ``MigrationBusy`` where another process is at it for
        too long.
        """
        if self._offload is inline:
            # A migration may take its time, but a server that does not answer must not.
            self.ping()
        with _outage_named():
            migration.migrate(self._url)

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()


@contextmanager
def _outage_named() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoFreeConnection, OSError) as error:
        if not _out_of_reach(error):
            raise
        raise Unavailable("The database is out of reach. Try again in a moment.") from error


def _out_of_reach(error: DBAPIError | NoFreeConnection | OSError) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        # SQLite's general error is a wrong statement; the others are the file: busy, full, gone.
        return error.orig.sqlite_errorcode != sqlite3.SQLITE_ERROR
    if error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError)):
        return True
    return is_refusal(error)
