"""How large a row may be for MySQL, which ends the connection at one that is larger."""

from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeAlias

from sqlalchemy import Engine
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from logger_lib.sql_errors import is_beyond_packet, is_gone

TOO_LARGE: Final = "it is larger than the server takes (max_allowed_packet)"
"""Why such a row is refused."""

Value: TypeAlias = str | int | None
Row: TypeAlias = Collection[Value]
"""The values of a row."""

_ESCAPED = "\x00\n\r\x1a\"'\\"
"""What takes two characters in a statement."""

_STATEMENT = 1_000
"""Bytes of the INSERT around its rows, at most."""


def escaped_size(value: Value) -> int:
    """Return the bytes of ``value`` in a statement that PyMySQL makes, with what is around it."""
    # Counted, as to escape 16 MB takes seconds.
    text = str(value)
    return len(text.encode("utf-8", "surrogatepass")) + sum(map(text.count, _ESCAPED)) + 4


class PacketLimit:
    """What the server of ``engine`` says of its ``max_allowed_packet``.

    It is asked anew whenever a connection is gone, as it may have been another one's until then.
    ``size_of`` tells the bytes of a value in the statements that are made for it.
    """

    def __init__(self, engine: Engine, size_of: Callable[[Value], int] = escaped_size) -> None:
        self._engine = engine
        self._size_of = size_of
        self._bytes: int | None = None

    def is_passed_by(self, rows: Iterable[Row], error: DBAPIError) -> bool:
        """Say whether ``error`` came because ``rows`` are too large for one statement.

        By its number alone a connection that ended there is one that an outage has ended.
        """
        if is_beyond_packet(error):
            return True
        if not is_gone(error):
            return False
        self._bytes = None
        limit = self._limit()
        return limit is not None and self._size(rows) >= limit

    def holds(self, row: Row) -> bool:
        """Say whether ``row`` is small enough for a statement of its own, as far as is known."""
        limit = self._limit()
        return limit is None or self._size([row]) < limit

    def _limit(self) -> int | None:
        """Return it; None where the server cannot be asked: then it is an outage."""
        if self._bytes is None:
            try:
                with self._engine.connect() as connection:
                    self._bytes = connection.scalar(sql("SELECT @@max_allowed_packet"))
            except (DBAPIError, NoFreeConnection, OSError):
                return None
        return self._bytes

    def _size(self, rows: Iterable[Row]) -> int:
        """Return the bytes of the statement that inserts ``rows``."""
        return _STATEMENT + sum(self._size_of(value) for row in rows for value in row)
