"""What an error of a database is about: the row that was written, or the server.

Only what is known to be about the row refuses it for good. All else may pass by itself or be mended
by an operator: a server that is read-only after a failover, a full disk, a table that is missing.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

_ROW_STATES = ("22", "23", "54")
"""Data exception, constraint violated, limit of the program exceeded (PostgreSQL, appendix A)."""
_MYSQL_ROW = frozenset({1264, 1265, 1366, 1367, 1406, 3140, 3819, 4025})
"""Out of range, truncated, wrong, illegal, too long; no JSON; a CHECK of MySQL, of MariaDB."""
_MYSQL_GONE = frozenset({0, 1153, 2006, 2013})
"""Packet too large; the server has gone away; the connection was lost; it was closed before."""
_MYSQL_READ_ONLY = frozenset({1290, 1792, 1836})
"""Started so (a replica), a transaction that is, switched to it."""
_READ_ONLY = "25006"


def is_about_a_row(error: DBAPIError) -> bool:
    """Say whether a row of the statement can never be written, whenever it is tried."""
    # The classes are SQLite's whole answer: TOOBIG, CONSTRAINT and MISMATCH alone become these.
    return (
        isinstance(error, (DataError, IntegrityError))
        or _sqlstate(error).startswith(_ROW_STATES)
        or _number(error) in _MYSQL_ROW
    )


def is_gone(error: DBAPIError) -> bool:
    """Say whether MySQL has gone, or ended the connection at a row beyond max_allowed_packet."""
    return _number(error) in _MYSQL_GONE


def is_read_only(error: DBAPIError) -> bool:
    """Say whether the server takes no writes by this connection."""
    return _sqlstate(error) == _READ_ONLY or _number(error) in _MYSQL_READ_ONLY


def reason(error: DBAPIError) -> str:
    """Return what the database says of it, without the values of the row."""
    return _answer(error).get("M") or str(error.orig)


def _number(error: DBAPIError) -> int | None:
    told = _told(error)
    return told if isinstance(told, int) else None


def _sqlstate(error: DBAPIError) -> str:
    return _answer(error).get("C", "")


def _answer(error: DBAPIError) -> dict[str, str]:
    # pg8000 raises whatever PostgreSQL answers as one kind of error, by letters; C is the SQLSTATE,
    # M the message.
    told = _told(error)
    return told if isinstance(told, dict) else {}


def _told(error: DBAPIError) -> dict[str, str] | int | str | None:
    told: dict[str, str] | int | str | None
    told = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return told
