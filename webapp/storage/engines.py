"""How a connection is made and pooled, for each kind of database that Herald knows.

Each limit keeps a database that is down or slow from holding its caller for long.
"""

import sqlite3
import ssl
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from logger_lib.sql_errors import is_read_only, leave_what_is_out_of_step

_MIGRATION_BUSY_SECONDS = 5
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 10
_POOL_SECONDS = 5
_POOL_SIZE = 10
_OVERFLOW = 20
_CHECKPOINT_PAGES = 8000
"""32 MB. At SQLite's own 1000 most batches of the log are copied into the file one by one, whose
pages (the words of an event are all over the index) are the same again and again."""
_CACHE_KIB = 16_384
"""Hits go all over the indexes of users, of which SQLite's own 2 MB are soon too few."""
_RECYCLE_SECONDS = 280
"""Below the 300 s after which common proxies and servers drop an idle connection."""

Ping: TypeAlias = Callable[[DBAPIConnection, ConnectionPoolEntry, PoolProxiedConnection], None]
ConnectArguments: TypeAlias = dict[str, int | bool | str | ssl.SSLContext]


def pooled_engine(url: str) -> Engine:
    """Return the engine for requests: few connections, kept open, each wait bounded."""
    parsed = make_url(url)
    if is_sqlite(parsed):
        # A call that finds the file locked fails at once: ``storage.locked_file`` tries it again.
        return _sqlite_engine(parsed, busy_seconds=0)
    is_postgresql = parsed.get_backend_name() == "postgresql"
    engine = create_engine(
        _without_sslmode(parsed),
        connect_args=_connect_arguments(parsed, bounded=True),
        pool_size=_POOL_SIZE,
        max_overflow=_OVERFLOW,
        pool_timeout=_POOL_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_pre_ping=not is_postgresql,
        hide_parameters=True,
    )
    if is_postgresql:
        event.listen(engine, "checkout", _require_alive(engine.dialect.loaded_dbapi.Error))
    event.listen(engine, "handle_error", leave_what_is_out_of_step)
    event.listen(engine, "handle_error", _leave_what_is_read_only)
    return engine


def _leave_what_is_read_only(context: ExceptionContext) -> None:
    """Take a server that has become a replica for one that is gone, with all connections to it.

    After a failover they would stay with it, while the name leads to the one that takes writes.
    """
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and is_read_only(error):
        context.is_disconnect = True


def migration_engine(url: str) -> Engine:
    """Return an engine that keeps no connection and waits for a long change to end."""
    parsed = make_url(url)
    if is_sqlite(parsed):
        return _sqlite_engine(
            parsed, _MIGRATION_BUSY_SECONDS, poolclass=NullPool, foreign_keys=False
        )
    arguments = _connect_arguments(parsed, bounded=False)
    return create_engine(
        _without_sslmode(parsed), connect_args=arguments, poolclass=NullPool, hide_parameters=True
    )


def is_sqlite(url: URL) -> bool:
    """Return whether ``url`` is a file here rather than a server."""
    return url.get_backend_name() == "sqlite"


def _sqlite_engine(
    url: URL,
    busy_seconds: float,
    poolclass: type[NullPool] | None = None,
    *,
    foreign_keys: bool = True,
) -> Engine:
    engine = create_engine(
        url,
        # Each call may run in another thread of the offload's pool, one at a time.
        connect_args={"check_same_thread": False, "timeout": busy_seconds},
        poolclass=poolclass,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    if foreign_keys:
        # Not for a migration: SQLite alters a table by making it anew and dropping the old one.
        event.listen(engine, "connect", _keep_foreign_keys)
    return engine


def _require_alive(driver_error: type[Exception]) -> Ping:
    """Return the ping for pg8000, in place of the pool's own.

    That one knows a dead connection by an error of the driver alone, but one that the server closed
    fails with the error of the socket.
    """

    def ping(
        connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            cursor.close()
        except (driver_error, OSError) as error:
            raise DisconnectionError("the server closed this connection") from error

    return ping


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"not a connection of sqlite3: {connection!r}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _keep_foreign_keys(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _connect_arguments(url: URL, *, bounded: bool) -> ConnectArguments:
    if url.get_backend_name() == "mysql":
        arguments: ConnectArguments = {
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT_SECONDS,
        }
        if bounded:
            arguments |= {"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS}
        return arguments
    # pg8000 has one limit for both: how long it waits to connect and for an answer.
    arguments = {"timeout": _ANSWER_SECONDS} if bounded else {}
    return arguments | _tls_of(url)


def _tls_of(url: URL) -> ConnectArguments:
    """Translate libpq's ``sslmode``, which hosts put in their URLs, for pg8000.

    Without one pg8000 asks for TLS and goes on in the clear where the server has none.
    """
    mode = url.query.get("sslmode")
    if mode == "disable":
        return {"ssl_context": False}
    if mode in {"verify-ca", "verify-full"}:
        context = ssl.create_default_context()
        context.check_hostname = mode == "verify-full"
        return {"ssl_context": context}
    return {"ssl_context": True} if mode == "require" else {}


def _without_sslmode(url: URL) -> URL:
    return url.difference_update_query(["sslmode"])
