"""The tables of the ``sql`` destination, and how a record becomes a row and is one again.

``event_log_term`` is what records are found by (see ``logger_lib.terms``). Its primary key is its
only order: the records of a term stand beside each other, oldest first, so that a page of the
newest is read from there backwards, without sorting, however many there are.
"""

from __future__ import annotations

import json
from typing import TypeAlias

from sqlalchemy import BigInteger, Column, Index, MetaData, Row, SmallInteger, String, Table, Text
from sqlalchemy.dialects import mysql

from logger_lib.failure import Failure
from logger_lib.record import LogRecord, level_of, microseconds_of, time_of
from logger_lib.terms import storable

Values: TypeAlias = dict[str, str | int | None]
"""What a row holds, by column."""

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
    Index("ix_event_log_event_id", "event_id"),
    mysql_charset=_CHARSET,
    mysql_collate=_COLLATION,
    mariadb_charset=_CHARSET,
    mariadb_collate=_COLLATION,
)

event_log_term = Table(
    "event_log_term",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", String(36), primary_key=True),
    sqlite_with_rowid=False,
    mysql_charset=_CHARSET,
    mysql_collate=_COLLATION,
    mariadb_charset=_CHARSET,
    mariadb_collate=_COLLATION,
)

# A search in all apps is one search in each, as every term belongs to an app; "" is no app.
event_log_app = Table(
    "event_log_app",
    metadata,
    Column("app", String(64), primary_key=True),
    mysql_charset=_CHARSET,
    mysql_collate=_COLLATION,
    mariadb_charset=_CHARSET,
    mariadb_collate=_COLLATION,
)


def values_of(record: LogRecord) -> Values:
    """Return the row of ``record``; raises where no row can hold it."""
    if storable(record.id) != record.id:
        # With a character replaced it might be another record's.
        raise ValueError("its id has NUL or half a character, which columns of text cannot hold")
    return {
        "id": record.id,
        "time": microseconds_of(record.time),
        "level": int(level_of(record.level)),
        "event": storable(record.event),
        "message": storable(record.message),
        "fields": json.dumps(record.fields),
        "event_id": None if record.event_id is None else storable(record.event_id),
        "app": None if record.app is None else storable(record.app),
        "rooms": json.dumps(record.rooms),
        "recipients": json.dumps(record.recipients),
        "failure": json.dumps(record.failure.to_json()) if record.failure else None,
    }


def record_of(row: Row[tuple[str, int]]) -> LogRecord:
    """Return the record that ``row`` of ``event_log`` was made from."""
    return LogRecord(
        id=row.id,
        time=time_of(row.time),
        level=level_of(row.level),
        event=row.event,
        message=row.message,
        fields=json.loads(row.fields),
        event_id=row.event_id,
        app=row.app,
        rooms=tuple(json.loads(row.rooms)),
        recipients=tuple(json.loads(row.recipients)),
        failure=Failure.from_json(json.loads(row.failure)) if row.failure else None,
    )
