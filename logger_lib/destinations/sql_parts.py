"""Rows of ``event_log`` in parts that are bounded in bytes: how long they are is read first."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from logger_lib.destinations.sql_table import event_log

_LONG = ("message", "fields", "recipients")


def size_of_row(connection: Connection) -> ColumnElement[int]:
    """Return the column that says how long a row's texts are, about in bytes."""
    # PostgreSQL knows the bytes without reading the text; SQLite has this name for it since 3.43.
    length = func.length if connection.dialect.name == "sqlite" else func.octet_length
    message, fields, recipients = (event_log.c[name] for name in _LONG)
    return (length(message) + length(fields) + length(recipients)).label("size")


def select_short(
    connection: Connection, ids: Sequence[str], most: int
) -> Select[tuple[str | int | None, ...]]:
    """Return the query for the rows of ``ids`` that reads about ``most`` bytes at the most.

    Texts that are longer than each row's part of that are None; ``size`` says how long they are.
    """
    size = size_of_row(connection)
    is_short = size <= most // len(ids)
    columns = [
        case((is_short, column)).label(column.name) if column.name in _LONG else column
        for column in event_log.columns
    ]
    return select(*columns, size).where(event_log.c.id.in_(ids))


def parts_of(sized: Iterable[tuple[str, int]], most: int) -> Iterator[list[str]]:
    """Yield the ids of ``sized`` in parts of ``most`` bytes; what is larger is alone."""
    part: list[str] = []
    size = 0
    for record_id, its_size in sized:
        if part and size + its_size > most:
            yield part
            part, size = [], 0
        part.append(record_id)
        size += its_size
    if part:
        yield part
