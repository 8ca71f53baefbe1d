"""What records of ``sql`` are found by: written with them and deleted with them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import Connection, delete, select, text, tuple_
from sqlalchemy.dialects import mysql

from logger_lib.destinations.sql_table import event_log, event_log_term, record_of
from logger_lib.ids import earliest_id
from logger_lib.record import microseconds_of
from logger_lib.terms import terms_of

Terms: TypeAlias = dict[str, list[int]]
"""The terms of records, by the id of each."""

_TOLERANCE = timedelta(seconds=10)
_DELETED_AT_ONCE = 500
"""Entries in one statement: each is two of its parameters."""

# One statement for all: where there is one for each entry, Python's driver gives its lock up and
# takes it again for each. In the order of the index, so that what stands together is written
# together, and two hosts lock it one after the other.
_SQLITE_ENTRIES = (
    "SELECT term.value AS term, record.key AS record_id"
    " FROM json_each(:terms) AS record, json_each(record.value) AS term ORDER BY 1, 2"
)
_POSTGRESQL_ENTRIES = (
    "SELECT CAST(found AS bigint) AS term, record.key AS record_id"
    " FROM json_each(CAST(:terms AS json)) AS record,"
    " json_array_elements_text(record.value) AS found ORDER BY 1, 2"
)
_INSERTS = {
    "sqlite": text(f"INSERT OR IGNORE INTO event_log_term {_SQLITE_ENTRIES}"),
    "postgresql": text(f"INSERT INTO event_log_term {_POSTGRESQL_ENTRIES} ON CONFLICT DO NOTHING"),
}
# ruff's S608 looks for values put into SQL; these are the constants above.
_DELETES = {
    "sqlite": text(
        f"DELETE FROM event_log_term WHERE (term, record_id) IN ({_SQLITE_ENTRIES})"  # noqa: S608
    ),
    "postgresql": text(
        f"DELETE FROM event_log_term AS kept USING ({_POSTGRESQL_ENTRIES}) AS gone"  # noqa: S608
        " WHERE kept.term = gone.term AND kept.record_id = gone.record_id"
    ),
}


def insert_terms(connection: Connection, terms: Terms) -> None:
    """Insert those of ``terms`` that are not there yet."""
    if not terms:
        return
    statement = _INSERTS.get(connection.dialect.name)
    if statement is not None:
        connection.execute(statement, {"terms": json.dumps(terms)})
        return
    rows = [{"term": term, "record_id": record_id} for term, record_id in _entries(terms)]
    # Not INSERT IGNORE, which also turns values that do not fit into others that do.
    new = mysql.insert(event_log_term).on_duplicate_key_update(term=event_log_term.c.term)
    connection.execute(new, rows)


def delete_before(connection: Connection, moment: datetime, limit: int) -> int:
    """Delete the oldest records from before ``moment``, at most ``limit``; return how many.

    They are found by the time in their ids; one whose ``time`` is later stays.
    """
    log = event_log.c
    last = earliest_id(microseconds_of(moment + _TOLERANCE) // 1000)
    oldest = (
        select(event_log)
        .where(log.id < last, log.time < microseconds_of(moment))
        .order_by(log.id)
        .limit(limit)
    )
    records = [record_of(row) for row in connection.execute(oldest)]
    _delete_terms(connection, {record.id: list(terms_of(record)) for record in records})
    ids = [record.id for record in records]
    connection.execute(delete(event_log).where(log.id.in_(ids)))
    return len(records)


def _delete_terms(connection: Connection, terms: Terms) -> None:
    statement = _DELETES.get(connection.dialect.name)
    if statement is not None:
        connection.execute(statement, {"terms": json.dumps(terms)})
        return
    entry = tuple_(event_log_term.c.term, event_log_term.c.record_id)
    entries = _entries(terms)
    for start in range(0, len(entries), _DELETED_AT_ONCE):
        some = entries[start : start + _DELETED_AT_ONCE]
        connection.execute(delete(event_log_term).where(entry.in_(some)))


def _entries(terms: Terms) -> list[tuple[int, str]]:
    return sorted((term, record_id) for record_id, found in terms.items() for term in found)
