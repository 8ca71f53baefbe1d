"""What each kind of database says in its own way: many rows at once, and rows that are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import orjson
from sqlalchemy import Connection, text

from webapp.collect.store import mysql_rows

Row: TypeAlias = tuple[str | int | None, ...]

INTEGERS = frozenset(
    {"at", "received_at", "day", "hour", "is_bot", "batch", "hits", "span", "before_span"}
)

NEW = "number BETWEEN :first AND :last AND batch = :batch"
"""What a transaction has inserted: a range of the primary key, in which others may have inserted
theirs. It has two ends, as PostgreSQL takes what is behind one for a third of the table."""

NEW_HERE = "number >= :first AND batch = :batch"
"""The same, where the other end is not known."""

_READ_COMMITTED = text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

_PART = 250_000
"""Characters of JSON, of which a name has up to four bytes."""

_AT_ONCE = (500, 50, 10, 1)
"""Rows of one INSERT into SQLite: few kinds of statements, which its driver keeps prepared."""


class Dialect:
    """The words of one kind of database, by SQLAlchemy's name for it."""

    def __init__(self, name: str) -> None:
        self.is_mysql = name in {"mysql", "mariadb"}
        self.is_postgresql = name == "postgresql"

    def begin(self, connection: Connection) -> None:
        """Have the transaction that begins lock what it changes alone.

        As MySQL does it unless told otherwise, what an INSERT reads from another table is locked
        too, and the writers of two apps would wait for each other's newest hits.
        """
        if self.is_mysql:
            connection.execute(_READ_COMMITTED)

    def encode(self, columns: Sequence[str], rows: Iterable[Row]) -> str:
        """Return ``rows`` as the parameter ``:rows``; raises ``TypeError`` for half a character.

        It is one for all, as the drivers of the servers would send a statement for each row.
        """
        if self.is_postgresql:
            return orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode()
        return orjson.dumps(list(rows)).decode()

    def parts(self, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
        """Yield ``rows`` as such parameters, each of 250 KB at most, but for a row that is larger.

        A driver of MySQL escapes them once more, and its server takes no more than 1 MB, or 16.
        """
        encoded = self.encode(columns, rows)
        if len(encoded) <= _PART or len(rows) == 1:
            yield encoded
            return
        middle = len(rows) // 2
        yield from self.parts(columns, rows[:middle])
        yield from self.parts(columns, rows[middle:])

    def rows(self, columns: Sequence[str]) -> str:
        """Return the parameter ``:rows`` as a table called ``given``."""
        if self.is_postgresql:
            kinds = [f"{name} {'bigint' if name in INTEGERS else 'text'}" for name in columns]
            return f"json_to_recordset(CAST(:rows AS json)) AS given({', '.join(kinds)})"
        if self.is_mysql:
            kinds = [
                f"{name} {_mysql_type(name)} PATH '$[{place}]' ERROR ON ERROR"
                for place, name in enumerate(columns)
            ]
            return f"JSON_TABLE(:rows, '$[*]' COLUMNS ({', '.join(kinds)})) AS given"
        values = [f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(columns)]
        return f"(SELECT {', '.join(values)} FROM json_each(:rows)) AS given"

    def leave(self, table: str, key: Sequence[str]) -> str:
        """Return the end of an INSERT that leaves what is there as it is.

        Not by INSERT IGNORE, which also turns values that do not fit into others that do.
        """
        if self.is_mysql:
            return f"ON DUPLICATE KEY UPDATE {key[0]} = {table}.{key[0]}"
        return f"ON CONFLICT ({', '.join(key)}) DO NOTHING"

    def add(self, table: str, key: Sequence[str], number: str) -> str:
        """Return the end of an INSERT that adds its column ``number`` to that of what is there."""
        return self._change(key, number, f"{table}.{number} + {self._own(number)}")

    def raise_to(self, table: str, key: Sequence[str], number: str) -> str:
        """Return the end of an INSERT that leaves the greater ``number`` of its own and what is."""
        greatest = "GREATEST" if self.is_mysql or self.is_postgresql else "MAX"
        return self._change(key, number, f"{greatest}({table}.{number}, {self._own(number)})")

    def _own(self, number: str) -> str:
        return f"VALUES({number})" if self.is_mysql else f"excluded.{number}"

    def _change(self, key: Sequence[str], number: str, value: str) -> str:
        if self.is_mysql:
            return f"ON DUPLICATE KEY UPDATE {number} = {value}"
        return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {number} = {value}"

    def by_index(self, name: str) -> str:
        """Return what stands behind a table that is to be read by an index.

        Left to themselves they may go through all hits of an app instead.
        """
        if self.is_mysql:
            return f"FORCE INDEX ({name})"
        return "" if self.is_postgresql else f"INDEXED BY {name}"

    def put(self, table: str, key: Sequence[str], column: str, value: int) -> str:
        """Return the UPDATE that sets ``column`` of those of ``:rows`` that are there."""
        columns, given = ", ".join(key), self.rows(key)
        if self.is_mysql:
            return f"UPDATE {given} JOIN {table} t USING ({columns}) SET t.{column} = {value}"
        listed = f"SELECT {columns} FROM {given}"
        return f"UPDATE {table} SET {column} = {value} WHERE ({columns}) IN ({listed})"

    def delete(self, table: str, key: Sequence[str], condition: str) -> str:
        """Return the DELETE of the rows of ``:rows`` that are as the condition says."""
        columns, given = ", ".join(key), self.rows(key)
        if self.is_mysql:
            # As a condition MySQL would look for each row of the table among those given.
            return f"DELETE t FROM {given} JOIN {table} t USING ({columns}) WHERE {condition}"
        listed = f"SELECT {columns} FROM {given}"
        return f"DELETE FROM {table} WHERE ({columns}) IN ({listed}) AND {condition}"


Encoded: TypeAlias = str | tuple[str, ...] | list[Row]
"""Many rows as they go to the driver."""


class NewRows:
    """Inserts those of many rows that are not there yet, and says how many these are.

    PostgreSQL gets them as JSON, as its driver would send a statement for each. SQLite and MariaDB
    get them as values: to take them out of JSON takes those longer than to write them.
    """

    def __init__(
        self, dialect: Dialect, table: str, columns: Sequence[str], key: Sequence[str]
    ) -> None:
        self._dialect = dialect
        self._columns = columns
        names = ", ".join(columns)
        end = dialect.leave(table, key)
        into = f"INSERT INTO {table} ({names})"
        self._from_json = text(
            f"{into} SELECT {names} FROM {dialect.rows(columns)} WHERE true {end}"
        )
        self._into, self._end = into, end
        row = f"({', '.join(['?'] * len(columns))})"
        self._count = text(f"SELECT COUNT(*) FROM {table} WHERE {NEW_HERE}")
        self._values = {n: f"{into} VALUES {', '.join([row] * n)} {end}" for n in _AT_ONCE}

    def encode(self, rows: Sequence[Row]) -> Encoded:
        """Return ``rows`` for ``insert``, so that it does not take time in the transaction."""
        if self._dialect.is_postgresql:
            return self._dialect.encode(self._columns, rows)
        if self._dialect.is_mysql:
            return tuple(mysql_rows.parts_of(rows))
        return [tuple(value for row in some for value in row) for some in _parts(rows)]

    def insert(self, connection: Connection, rows: Encoded, new: Mapping[str, int]) -> int:
        """Insert what ``encode`` made; return how many rows were not there.

        ``new`` has the first number that those can have, and their mark.
        """
        if isinstance(rows, str):
            return connection.execute(self._from_json, {"rows": rows}).rowcount
        if isinstance(rows, tuple):
            for part in rows:
                mysql_rows.execute(connection, self._into, part, self._end)
            # Of an INSERT it says the same for a row that it leaves as for one that is new.
            return connection.scalar(self._count, new) or 0
        inserted = 0
        for values in rows:
            statement = self._values[len(values) // len(self._columns)]
            inserted += connection.exec_driver_sql(statement, values).rowcount
        return inserted


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _AT_ONCE:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _mysql_type(name: str) -> str:
    # In no table are they longer: JSON_TABLE would cut them without a word.
    return "BIGINT" if name in INTEGERS else "VARCHAR(200) COLLATE utf8mb4_bin"
