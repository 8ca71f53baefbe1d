"""Transactions on the database, off the event loop where the driver would block it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.orm import Session, configure_mappers

from logger_lib.offload import Offload, inline
from webapp.errors import Unavailable
from webapp.storage import migration
from webapp.storage.engines import is_sqlite, pooled_engine
from webapp.storage.locked_file import Unlocked

Result = TypeVar("Result")

# Connection lost, no resources, intervention of an operator, system error, not accepting
# connections, no such database (PostgreSQL, appendix A).
_REFUSALS = ("08", "53", "57", "58", "55000", "3D000")


class Database:
    """One database, as many transactions at once as its pool has connections.

    SQLite's driver waits in C, so its transactions go through ``offload``, one at a time; those of
    MySQL and PostgreSQL use sockets that let the event loop go on, and run where they are called.
    Work on SQLite is done again while another process has the file locked: it must be repeatable.
    """

    def __init__(self, url: str, offload: Offload) -> None:
        self._url = url
        self._engine = pooled_engine(url)
        self._offload = Unlocked(offload) if is_sqlite(make_url(url)) else inline
        # Now, as its lock would otherwise be taken for the first time in a thread of the offload.
        configure_mappers()

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
        with Session(self._engine) as session, session.begin():
            return work(session)

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
    return _sqlstate(error).startswith(_REFUSALS)


def _sqlstate(error: DBAPIError) -> str:
    # pg8000 raises whatever the server says, its refusals to connect too, as one kind of error,
    # with the server's answer as a table of letters.
    told = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(told.get("C", "")) if isinstance(told, dict) else ""
