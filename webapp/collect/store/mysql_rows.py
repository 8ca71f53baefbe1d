"""Many rows as the text of an INSERT into MySQL, whose own driver takes three times as long."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_Value: TypeAlias = str | int | None

_MOST = 1_000_000
"""Characters of a statement, but for a row that is longer."""


def literal(value: _Value) -> str:
    """Return a value as it stands in a statement, right in every ``sql_mode``.

    Raises ``TypeError`` for any other, whose text might be a part of the statement.
    For connections whose charset is UTF-8, as ``storage.engines`` has them: in others a quote may
    be half of a character.
    """
    if type(value) is int:
        return str(value)
    if value is None:
        return "NULL"
    if type(value) is not str:
        raise TypeError(f"{type(value).__name__} is no value of a row")
    if "\\" in value:
        # Whether this takes another one depends on the mode; digits depend on nothing.
        return f"0x{value.encode().hex()}"
    return "'" + value.replace("'", "''") + "'"


def literal_size(value: _Value) -> int:
    """Return the bytes of ``literal(value)`` and of a comma, without making it."""
    if type(value) is not str:
        return len(str(value)) + 2
    size = len(value.encode())
    return 2 * size + 4 if "\\" in value else size + value.count("'") + 4


def parts_of(rows: Iterable[Sequence[_Value]]) -> Iterator[str]:
    """Yield ``rows`` as what stands behind VALUES, in as many parts as it takes."""
    part: list[str] = []
    size = 0
    for row in rows:
        written = f"({','.join(map(literal, row))})"
        if part and size + len(written) > _MOST:
            yield ", ".join(part)
            part, size = [], 0
        part.append(written)
        size += len(written)
    yield ", ".join(part)


def execute(connection: Connection, into: str, part: str, end: str) -> None:
    """Execute the INSERT of a part; of the values, which are somebody's, an error tells none."""
    try:
        # Without parameters, or the driver would take a "%" in it for the place of one.
        connection.exec_driver_sql(
            f"{into} VALUES {part} {end}", execution_options={"no_parameters": True}
        )
    except DBAPIError as error:
        error.statement = into
        raise
