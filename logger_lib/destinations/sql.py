"""The ``sql`` destination: one row a record, in SQLite, MySQL, MariaDB or PostgreSQL."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.destinations.sql_reader import SqlReader
from logger_lib.destinations.sql_table import Values, event_log, event_log_app, metadata, values_of
from logger_lib.destinations.sql_terms import delete_before, insert_terms
from logger_lib.destinations.sqlite_batch import insert_batch, make_batch_view
from logger_lib.drivers import DRIVERS
from logger_lib.logger import LogReader
from logger_lib.offload import Offload, inline
from logger_lib.pipeline.limits import DEFAULT_LIMITS, Limits
from logger_lib.record import LogRecord
from logger_lib.refusals import Refusal, raise_refusals, split_writable
from logger_lib.spool.spool import SpoolPlace
from logger_lib.sql_errors import (
    is_about_a_row,
    is_read_only,
    leave_what_is_out_of_step,
    reason,
)
from logger_lib.sql_packet import TOO_LARGE, PacketLimit
from logger_lib.terms import terms_of

SQLITE_FILE = "herald.db"
# One statement for all rows, whose only parameter is the rows as JSON: pg8000 would send one for
# each row. ruff's S608 looks for values put into SQL: these are names of the tables.
_POSTGRESQL_INSERTS = {
    table.name: text(
        f"INSERT INTO {table.name} SELECT * FROM json_populate_recordset("  # noqa: S608
        f"NULL::{table.name}, CAST(:rows AS json)) ON CONFLICT DO NOTHING"
    )
    for table in (event_log, event_log_app)
}

_UNSENDABLE = (ValueError, TypeError, OverflowError)
"""What drivers raise about a value that they cannot even put into a statement."""

_KNOWN_APPS = 10_000
"""How many apps are remembered as stored; beyond that they are stored again."""


_Written: TypeAlias = tuple[Values, list[int]]
"""A record as a row, and what it is found by."""


_Writable: TypeAlias = tuple[LogRecord, _Written]


class SqlLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that write to the table ``event_log`` of a database, and a reader of it.

    All is stored as it came, but for what columns of text cannot hold: in event, message, app and
    event id, NUL and halves of characters become U+FFFD, which keeps their length; a query for such
    a name finds it.
    """

    durable = True

    def __init__(
        self,
        engine: Engine,
        *,
        offload: Offload = inline,
        limits: Limits = DEFAULT_LIMITS,
        spool: SpoolPlace | None = None,
    ) -> None:
        super().__init__("sql", limits, spool)
        self._engine = engine
        self._offload = offload
        self._sink = _SqlSink(engine, offload)
        self._owns_engine = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Use ``DATABASE_URL``, else a SQLite file under ``HERALD_HOME`` (``./instance``).

        The connections are this factory's own; give the constructor an engine to share its pool.
        """
        url = settings.get("DATABASE_URL")
        home = Path(settings.get("HERALD_HOME") or "instance")
        factory = cls(_connectable(make_url(url)) if url else _embedded(home))
        factory._owns_engine = True
        return factory

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink

    def create_reader(self) -> LogReader:
        """Return the reader of the table."""
        return SqlReader(self._engine, self._offload, self._sink.prepare)

    def delete_before(self, moment: datetime, limit: int) -> int:
        """Delete the oldest records from before ``moment``; return how many.

        They are at most ``limit``, and found by the time in their ids. It is one transaction: on
        SQLite nobody else can write before its end.
        """

        def delete() -> int:
            with self._engine.begin() as connection:
                return delete_before(connection, moment, limit)

        return self._offload(delete)

    def close(self) -> None:
        """Disconnect, where ``from_settings`` connected."""
        if self._owns_engine:
            self._offload(self._engine.dispose)


class _SqlSink(Sink):
    def __init__(self, engine: Engine, offload: Offload) -> None:
        self._engine = engine
        self._offload = offload
        self._pid = os.getpid()
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._packet = PacketLimit(engine)
        self._known_apps: set[str] = set()

    def prepare(self) -> None:
        """Make the tables where they are missing."""
        self._offload(self._make_tables)

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch; a record that is already there counts as written."""
        # Not in the offloaded call: an event loop would wait for its turn with the interpreter.
        writable, refusals = split_writable(batch, _written)
        if writable:
            refusals += self._offload(lambda: self._insert(writable))
        raise_refusals(refusals)

    def _make_tables(self) -> None:
        self._leave_parents_connections()
        try:
            metadata.create_all(self._engine)
        except DBAPIError:
            # Another process that starts now was faster: the second look finds its tables.
            metadata.create_all(self._engine)
        if self._is_sqlite:
            with self._engine.begin() as connection:
                make_batch_view(connection)

    def _insert(self, writable: list[_Writable]) -> list[Refusal]:
        """Insert and return what can never be; raises for what may be tried again."""
        self._leave_parents_connections()
        try:
            self._commit([written for _, written in writable])
        except DBAPIError as error:
            refusal = self._refusal(error, writable)
            if refusal is None:
                self._leave_standby(error)
                raise
            if len(writable) == 1:
                return [(writable[0][0], refusal)]
        except _UNSENDABLE as error:
            return self._one_by_one(writable, error)
        else:
            return []
        # One row that the database cannot hold must not take the others with it. It is known by
        # its size, or found by halves.
        parts = self._apart(writable) if refusal == TOO_LARGE else _halves(writable)
        return [each for part in parts for each in self._insert(part)]

    def _apart(self, writable: list[_Writable]) -> list[list[_Writable]]:
        small: list[_Writable] = []
        large: list[list[_Writable]] = []
        for each in writable:
            if self._packet.holds(each[1][0].values()):
                small.append(each)
            else:
                large.append([each])
        return [small, *large] if small and large else _halves(writable)

    def _refusal(self, error: DBAPIError, writable: Sequence[_Writable]) -> str | None:
        """Return why a row of the batch can never be written; None: it may be tried again."""
        if is_about_a_row(error):
            return reason(error)
        rows = (values.values() for _, (values, _) in writable)
        return TOO_LARGE if self._packet.is_passed_by(rows, error) else None

    def _one_by_one(self, writable: list[_Writable], error: Exception) -> list[Refusal]:
        """Insert; refuse what the driver cannot send, where it can send another of them."""
        refusals: list[Refusal] = []
        unsendable = 0
        for each in writable if len(writable) > 1 else ():
            try:
                refusals += self._insert([each])
            except _UNSENDABLE as its_own:
                refusals.append((each[0], f"the driver cannot send it: {its_own}"))
                unsendable += 1
        if unsendable >= len(writable) or len(writable) == 1:
            raise error
        return refusals

    def _commit(self, batch: list[_Written]) -> None:
        new_apps = {str(values["app"] or "") for values, _ in batch} - self._known_apps
        rows = [values for values, _ in batch]
        terms = {str(values["id"]): terms for values, terms in batch if terms}
        apps: list[Values] = [{"app": app} for app in new_apps]
        if self._is_sqlite:
            insert_batch(self._engine, rows, terms, apps)
        else:
            with self._engine.begin() as connection:
                _insert_new(connection, event_log.name, rows)
                insert_terms(connection, terms)
                if apps:
                    _insert_new(connection, event_log_app.name, apps)
        if len(self._known_apps) > _KNOWN_APPS:
            self._known_apps.clear()
        self._known_apps |= new_apps

    def _leave_parents_connections(self) -> None:
        if self._pid != os.getpid():
            # Two processes that speak on one connection read each other's answers.
            self._engine.dispose(close=False)
            self._pid = os.getpid()

    def _leave_standby(self, error: DBAPIError) -> None:
        if is_read_only(error):
            # Connections that were made to a standby, or while writing was switched off, stay
            # read-only also when a new one would not be.
            self._engine.dispose()


def _written(record: LogRecord) -> _Written:
    return values_of(record), list(terms_of(record))


def _halves(writable: list[_Writable]) -> list[list[_Writable]]:
    middle = len(writable) // 2
    return [writable[:middle], writable[middle:]]


def _insert_new(connection: Connection, name: str, rows: list[Values]) -> None:
    """Insert into the table called ``name`` those of ``rows`` that are not there yet."""
    table = metadata.tables[name]
    if connection.dialect.name == "postgresql":
        connection.execute(_POSTGRESQL_INSERTS[name], {"rows": json.dumps(rows)})
        return
    # Not INSERT IGNORE, which also turns values that do not fit into others that do.
    key = table.primary_key.columns[0]
    statement = mysql.insert(table).on_duplicate_key_update({key.name: key})
    connection.execute(statement, rows)


def _connectable(url: URL) -> Engine:
    """Return the engine of ``url``, with a pure Python driver where it names none (Heroku's do)."""
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_timeout=5)
    event.listen(engine, "handle_error", leave_what_is_out_of_step)
    return engine


def _embedded(home: Path) -> Engine:
    home.mkdir(parents=True, exist_ok=True)
    return _sqlite_engine(URL.create("sqlite", database=str(home / SQLITE_FILE)))


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other
    # Some builds of SQLite do less under WAL: what was committed there a power cut can take back.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=2000")
    # 32 MB: the pages of many batches, which often are the same ones, are copied once.
    cursor.execute("PRAGMA wal_autocheckpoint=8000")
    cursor.close()
