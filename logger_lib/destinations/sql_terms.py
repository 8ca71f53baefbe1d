"""What records of ``sql`` are found by: written with them and deleted with them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection, Row, delete, select, text
from sqlalchemy.dialects import mysql

from logger_lib.destinations.sql_parts import parts_of, size_of_row
from logger_lib.destinations.sql_table import event_log, event_log_term, record_of
from logger_lib.ids import earliest_id
from logger_lib.record import microseconds_of
from logger_lib.terms import terms_of

Terms: TypeAlias = dict[str, list[int]]
"""The terms of records, by the id of each."""

_DELETED_AT_ONCE = 500
"""Terms in one statement."""
_READ_BYTES = 1_048_576
"""About how much text is read in one transaction: an event loop may stand still for it."""

# One statement for all, as pg8000 would send one for each. In the order of the index, so that what
# stands together is written together, and two hosts lock it one after the other.
_POSTGRESQL_INSERT = text(
    "INSERT INTO event_log_term SELECT CAST(found AS bigint) AS term, record.key AS record_id"
    " FROM json_each(CAST(:terms AS json)) AS record,"
    " json_array_elements_text(record.value) AS found ORDER BY 1, 2 ON CONFLICT DO NOTHING"
)


def insert_terms(connection: Connection, terms: Terms) -> None:
    """Insert those of ``terms`` that are not there yet, on a server."""
    if not terms:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_POSTGRESQL_INSERT, {"terms": json.dumps(terms)})
        return
    rows = [{"term": term, "record_id": record_id} for term, record_id in _entries(terms)]
    # Not INSERT IGNORE, which also turns values that do not fit into others that do.
    new = mysql.insert(event_log_term).on_duplicate_key_update(term=event_log_term.c.term)
    connection.execute(new, rows)


def delete_before(connection: Connection, moment: datetime, limit: int) -> int:
    """Delete the oldest records, at most ``limit`` from before ``moment``; return how many.

    They are found by the time in their ids. Large ones are fewer at a time: 0 alone says that
    nothing is left, or that another host deletes the same.
    """
    ids = _oldest(connection, earliest_id(microseconds_of(moment) // 1000), limit)
    if not ids:
        return 0
    log, entry = event_log.c, event_log_term.c
    rows = connection.execute(select(event_log).where(log.id.in_(ids)))
    terms = sorted({term for row in rows for term in _terms_of_row(row)})
    for start in range(0, len(terms), _DELETED_AT_ONCE):
        some = entry.term.in_(terms[start : start + _DELETED_AT_ONCE])
        # All of a term up to there: nothing older is left, and each stands beside the next.
        connection.execute(delete(event_log_term).where(some, entry.record_id <= ids[-1]))
    return connection.execute(delete(event_log).where(log.id.between(ids[0], ids[-1]))).rowcount


def _oldest(connection: Connection, bound: str, limit: int) -> list[str]:
    """Return the ids of the oldest rows before ``bound`` that may be read at once."""
    log = event_log.c
    oldest = select(log.id, size_of_row(connection)).where(log.id < bound)
    with connection.execute(oldest.order_by(log.id).limit(limit)) as sized:
        return next(parts_of(((row[0], row[1]) for row in sized), _READ_BYTES), [])


def _terms_of_row(row: Row[tuple[str, int]]) -> set[int]:
    try:
        return terms_of(record_of(row))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Whoever wrote it, it goes: entries that find nothing are skipped, and what stays would
        # keep all that is younger.
        return set()


def _entries(terms: Terms) -> list[tuple[int, str]]:
    return sorted((term, record_id) for record_id, found in terms.items() for term in found)
