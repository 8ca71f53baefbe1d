"""A batch for SQLite in one statement, which is a transaction by itself.

Python's driver gives the interpreter's lock up at each step of each statement and waits for it
again, beside a busy event loop up to a switch interval each time: with a statement for each table,
BEGIN and COMMIT that took longer than the writing. So there is a view to insert a batch into, as
JSON, whose trigger puts it into the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import orjson
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from logger_lib.destinations.sql_table import (
    Values,
    event_log,
    event_log_app,
    event_log_term,
    metadata,
)

_VIEW = "event_log_batch"


def _insert(table: str, parameter: str) -> str:
    columns = metadata.tables[table].columns
    values = ", ".join(f"json_extract(value, '$.{column.name}')" for column in columns)
    # ruff's S608 looks for values put into SQL: these are names of the tables.
    return (
        f"INSERT INTO {table} SELECT {values} FROM json_each(NEW.{parameter})"  # noqa: S608
        " WHERE true ON CONFLICT DO NOTHING"
    )


# In the order of the index, so that what stands together is written together.
_INSERT_TERMS = (
    f"INSERT INTO {event_log_term.name} SELECT term.value, record.key"  # noqa: S608
    " FROM json_each(NEW.terms) AS record, json_each(record.value) AS term"
    " WHERE true ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)
_STEPS = (_insert(event_log.name, "records"), _INSERT_TERMS, _insert(event_log_app.name, "apps"))
_MAKE = (
    f"CREATE VIEW IF NOT EXISTS {_VIEW} (records, terms, apps) AS SELECT NULL, NULL, NULL",
    f"CREATE TRIGGER IF NOT EXISTS {_VIEW}_in INSTEAD OF INSERT ON {_VIEW}"
    f" BEGIN {'; '.join(_STEPS)}; END",
)
_BATCH = f"INSERT INTO {_VIEW} VALUES (?, ?, ?)"  # noqa: S608  a name, not a value


def make_batch_view(connection: Connection) -> None:
    """Make what ``insert_batch`` inserts into, where it is missing."""
    for statement in _MAKE:
        connection.exec_driver_sql(statement)


def insert_batch(
    engine: Engine, records: Sequence[Values], terms: dict[str, list[int]], apps: Sequence[Values]
) -> None:
    """Insert those rows that are not there yet, with their terms and apps: all, or none."""
    batch = (_json(records), _json(terms), _json(apps))
    try:
        # To connect may fail too, at a locked file for example, and bare as well.
        with closing(engine.raw_connection()) as pooled:
            connection = pooled.driver_connection
            if not isinstance(connection, sqlite3.Connection):
                raise RuntimeError(f"not a connection of sqlite3: {connection!r}")  # noqa: TRY004  no row's fault
            _insert_alone(connection, batch)
    except sqlite3.Error as error:
        failed = DBAPIError.instance(_BATCH, batch, error, sqlite3.Error, hide_parameters=True)
        raise failed from error


def _insert_alone(connection: sqlite3.Connection, batch: tuple[str, str, str]) -> None:
    # Past SQLAlchemy's way of running a statement, which holds the interpreter's lock, and so up
    # the event loop, for longer than all else here.
    transactions = connection.isolation_level
    connection.isolation_level = None  # no BEGIN: the statement commits by itself
    try:
        connection.execute(_BATCH, batch)
    finally:
        connection.isolation_level = transactions


def _json(value: Sequence[Values] | dict[str, list[int]]) -> str:
    return orjson.dumps(value).decode()
