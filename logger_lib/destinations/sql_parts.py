"""Rows of ``event_log`` in parts that are bounded in bytes, known before they are read."""

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, Connection, func

from logger_lib.destinations.sql_table import event_log


def size_of_row(connection: Connection) -> ColumnElement[int]:
    """Return the column that says how long a row's texts are, about in bytes."""
    # PostgreSQL knows the bytes without reading the text; SQLite has this name for it since 3.43.
    length = func.length if connection.dialect.name == "sqlite" else func.octet_length
    log = event_log.c
    return length(log.fields) + length(log.recipients) + length(log.message)


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
