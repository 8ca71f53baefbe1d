"""Temporary databases on the MariaDB and PostgreSQL servers that the tests may find.

Each lives as long as its ``with`` block. A server that is absent skips the test and says why; where
``HERALD_CI`` is set it fails it, so that a broken CI service cannot pass for a green run.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

_MARIADB = os.environ.get("HERALD_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql")
_POSTGRESQL = os.environ.get(
    "HERALD_TEST_POSTGRESQL", "postgresql+pg8000://postgres@127.0.0.1:5432/postgres"
)


@contextmanager
def temporary_mariadb(charset: str = "utf8mb4") -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database that is dropped afterwards."""
    create = f"CREATE DATABASE {{}} CHARACTER SET {charset}"
    with _temporary(_MARIADB, create, "DROP DATABASE {}") as url:
        yield url


@contextmanager
def temporary_postgresql(template: str = "template1") -> Iterator[str]:
    """Yield the SQLAlchemy URL of a copy of ``template`` that is dropped afterwards.

    The usual one is empty.
    """
    create = f"CREATE DATABASE {{}} TEMPLATE {template}"
    with _temporary(_POSTGRESQL, create, "DROP DATABASE {} WITH (FORCE)") as url:
        yield url


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """Have a temporary database of PostgreSQL take no writes, as a standby does.

    Whoever is connected is disconnected at the start, and not at the end: what was connected
    meanwhile stays read-only.
    """
    name = make_url(url).database
    setting = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    execute(_POSTGRESQL, f"{setting}on")
    execute(
        _POSTGRESQL,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    try:
        yield
    finally:
        execute(_POSTGRESQL, f"{setting}off")


@contextmanager
def renamed(url: str, table: str) -> Iterator[None]:
    """Have ``table`` be called otherwise."""
    execute(url, f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        execute(url, f"ALTER TABLE {table}_away RENAME TO {table}")


def execute(url: str, statement: str) -> None:
    """Execute one statement that is its own transaction."""
    _execute(_engine(url), statement)


@contextmanager
def _temporary(server_url: str, create: str, drop: str) -> Iterator[str]:
    server = _server(server_url)
    name = f"herald_test_{uuid.uuid4().hex[:12]}"
    try:
        _execute(server, create.format(name))
    except SQLAlchemyError as error:
        absent(f"no database server at {make_url(server_url)}: {error}")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server, drop.format(name))


@cache
def _server(url: str) -> Engine:
    # An engine asks a server what it is before its first statement.
    return _engine(url)


def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _execute(server: Engine, statement: str) -> None:
    with server.connect() as connection:
        connection.execute(text(statement))


def absent(reason: str) -> NoReturn:
    """Skip the running test for ``reason``; fail it where ``HERALD_CI`` is set."""
    if os.environ.get("HERALD_CI"):
        pytest.fail(reason)
    pytest.skip(reason)
