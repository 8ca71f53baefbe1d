"""The ``sql`` destination: one row a record, in SQLite, MySQL, MariaDB or PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Insert,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from logger_lib.batching import DEFAULT_LIMITS, BatchedLoggerFactory, Limits, Sink
from logger_lib.drivers import DRIVERS
from logger_lib.failure import Failure
from logger_lib.logger import LogQuery, LogReader
from logger_lib.offload import Offload, inline
from logger_lib.record import Level, LogRecord, microseconds_of, time_of
from logger_lib.refusals import Refusal, raise_refusals, split_writable

Row: TypeAlias = dict[str, str | int | None]

SQLITE_FILE = "herald.db"
# NUL is what PostgreSQL's text cannot hold, half a character what no database's can.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
# MySQL's TEXT ends at 64 KiB. Not its JSON: MariaDB refuses more than 32 levels.
_LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")

# MySQL compares ``Order`` and ``order`` as the same, unless told to compare the bytes.
_CHARSET = "utf8mb4"
_COLLATION = "utf8mb4_bin"

metadata = MetaData()

event_log = Table(
    "event_log",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("time", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("level", SmallInteger, nullable=False),
    Column("event", String(200), nullable=False),
    Column("message", _LONG_TEXT, nullable=False),
    Column("fields", _LONG_TEXT, nullable=False, comment="JSON"),
    Column("event_id", String(64)),
    Column("app", String(64)),
    Column("rooms", _LONG_TEXT, nullable=False, comment="JSON"),
    Column("recipients", _LONG_TEXT, nullable=False, comment="JSON"),
    Column("failure", _LONG_TEXT, comment="JSON"),
    Index("ix_event_log_event", "event", "id"),
    Index("ix_event_log_app", "app", "id"),
    Index("ix_event_log_event_id", "event_id"),
    Index("ix_event_log_time", "time"),
    mysql_charset=_CHARSET,
    mysql_collate=_COLLATION,
    mariadb_charset=_CHARSET,
    mariadb_collate=_COLLATION,
)

# One row a room of a record, so that a million records are not read to find those of one room.
event_log_room = Table(
    "event_log_room",
    metadata,
    Column("room", String(64), primary_key=True, comment="SHA-256 of the name, which has no bound"),
    Column("record_id", String(36), primary_key=True),
    mysql_charset=_CHARSET,
    mysql_collate=_COLLATION,
    mariadb_charset=_CHARSET,
    mariadb_collate=_COLLATION,
)

_POSTGRESQL_INSERTS = {
    name: text(
        f"INSERT INTO {name} SELECT * FROM "  # noqa: S608  the names of the tables above
        f"json_populate_recordset(NULL::{name}, CAST(:rows AS json)) ON CONFLICT DO NOTHING"
    )
    for name in metadata.tables
}


class SqlLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that write to the table ``event_log`` of a database, and a reader of it.

    All is stored as it came, but for what columns of text cannot hold: in event, message, app and
    event id, NUL and halves of characters become U+FFFD, which keeps their length; a query for such
    a name finds it.
    """

    def __init__(
        self, engine: Engine, *, offload: Offload = inline, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__("sql", limits)
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
        return SqlReader(self._engine, self._offload)

    def close(self) -> None:
        """Disconnect, where ``from_settings`` connected."""
        if self._owns_engine:
            self._offload(self._engine.dispose)


class _SqlSink(Sink):
    def __init__(self, engine: Engine, offload: Offload) -> None:
        self._engine = engine
        self._offload = offload
        self._pid = os.getpid()

    def prepare(self) -> None:
        """Make the tables where they are missing."""
        self._offload(self._make_tables)

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Insert the batch; a record that is already there counts as written."""
        raise_refusals(self._offload(lambda: self._insert(batch)))

    def _make_tables(self) -> None:
        self._leave_parents_connections()
        try:
            metadata.create_all(self._engine)
        except DBAPIError:
            # Another process that starts now was faster: the second look finds its tables.
            metadata.create_all(self._engine)

    def _insert(self, batch: Sequence[LogRecord]) -> list[Refusal]:
        """Insert and return what could not be."""
        self._leave_parents_connections()
        writable, refusals = split_writable(batch, _row)
        if not writable:
            return refusals
        try:
            self._commit(writable)
        except (OperationalError, InterfaceError):
            raise
        except DBAPIError:
            # One row that the database cannot hold must not take the others with it.
            refusals += self._insert_one_by_one(writable)
        return refusals

    def _insert_one_by_one(self, writable: list[tuple[LogRecord, Row]]) -> Iterator[Refusal]:
        for record, row in writable:
            try:
                self._commit([(record, row)])
            except (OperationalError, InterfaceError):
                raise
            except DBAPIError as error:
                yield record, str(error.orig)

    def _commit(self, writable: list[tuple[LogRecord, Row]]) -> None:
        rooms: list[Row] = [
            {"room": _room_key(room), "record_id": record.id}
            for record, _ in writable
            for room in dict.fromkeys(record.rooms)
        ]
        with self._engine.begin() as connection:
            _insert_new(connection, event_log.name, [row for _, row in writable])
            if rooms:
                _insert_new(connection, event_log_room.name, rooms)

    def _leave_parents_connections(self) -> None:
        if self._pid != os.getpid():
            # Two processes that speak on one connection read each other's answers.
            self._engine.dispose(close=False)
            self._pid = os.getpid()


class SqlReader(LogReader):
    """Reads the table by its indexes."""

    def __init__(self, engine: Engine, offload: Offload) -> None:
        self._engine = engine
        self._offload = offload

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``query`` asks for, newest first by record id."""
        return self._offload(lambda: self._read(query))

    def _read(self, query: LogQuery) -> list[LogRecord]:
        with self._engine.connect() as connection:
            return [
                LogRecord(
                    id=row.id,
                    time=time_of(row.time),
                    level=Level(row.level),
                    event=row.event,
                    message=row.message,
                    fields=json.loads(row.fields),
                    event_id=row.event_id,
                    app=row.app,
                    rooms=tuple(json.loads(row.rooms)),
                    recipients=tuple(json.loads(row.recipients)),
                    failure=Failure.from_json(json.loads(row.failure)) if row.failure else None,
                )
                for row in connection.execute(_selection(query))
            ]


def _selection(query: LogQuery) -> Select[tuple[str, int]]:
    log = event_log.c
    newest: Column[str] = log.id
    selection = select(event_log)
    if query.room is not None:
        newest = event_log_room.c.record_id
        selection = selection.join(event_log_room, newest == log.id)
        selection = selection.where(event_log_room.c.room == _room_key(query.room))
    exact = {"app": query.app, "event": query.event, "event_id": query.event_id}
    for name, value in exact.items():
        if value is not None:
            selection = selection.where(log[name] == _storable(value))
    if query.since is not None:
        selection = selection.where(log.time >= microseconds_of(query.since))
    if query.until is not None:
        selection = selection.where(log.time < microseconds_of(query.until))
    if query.before is not None:
        selection = selection.where(newest < query.before)
    return selection.order_by(newest.desc()).limit(max(0, query.limit))


def _row(record: LogRecord) -> Row:
    return {
        "id": record.id,
        "time": microseconds_of(record.time),
        "level": int(record.level),
        "event": _storable(record.event),
        "message": _storable(record.message),
        "fields": json.dumps(record.fields),
        "event_id": None if record.event_id is None else _storable(record.event_id),
        "app": None if record.app is None else _storable(record.app),
        "rooms": json.dumps(record.rooms),
        "recipients": json.dumps(record.recipients),
        "failure": json.dumps(record.failure.to_json()) if record.failure else None,
    }


def _storable(text: str) -> str:
    return text if text.isprintable() else _UNSTORABLE.sub(_REPLACEMENT, text)


def _insert_new(connection: Connection, name: str, rows: list[Row]) -> None:
    """Insert into the table called ``name`` those of ``rows`` that are not there yet."""
    table = metadata.tables[name]
    statement: Insert
    if connection.dialect.name == "postgresql":
        # pg8000 sends a statement for each row of a list; one with a parameter for each value
        # takes twenty times as long as one whose only parameter is all rows as JSON.
        connection.execute(_POSTGRESQL_INSERTS[name], {"rows": json.dumps(rows)})
        return
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing()
    else:
        # Not INSERT IGNORE, which also turns values that do not fit into others that do.
        key = table.primary_key.columns[0]
        statement = mysql.insert(table).on_duplicate_key_update({key.name: key})
    connection.execute(statement, rows)


def _room_key(room: str) -> str:
    return hashlib.sha256(room.encode("utf-8", "surrogatepass")).hexdigest()


def _connectable(url: URL) -> Engine:
    """Return the engine of ``url``, with a pure Python driver where it names none (Heroku's do)."""
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_timeout=5)


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
    cursor.execute("PRAGMA busy_timeout=2000")
    cursor.close()
