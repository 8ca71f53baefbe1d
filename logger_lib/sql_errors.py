"""What an error of a database is about: the server, the transaction, or a row that was written.

Only what is known to be about the row refuses it for good. All else may pass by itself or be mended
by an operator: a server that is read-only after a failover, a full disk, a table that is missing.
"""

from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

_UNDONE = "40"
_READ_ONLY = "25006"
# Connection lost, undone in favour of another, no resources, intervention of an operator, system
# error, not accepting connections, no such database (PostgreSQL, appendix A).
_REFUSALS = ("08", _UNDONE, "53", "57", "58", "55000", "3D000")
_ROW_STATES = ("22", "23", "54")
"""Data exception, constraint violated, limit of the program exceeded (PostgreSQL, appendix A)."""
_MYSQL_UNDONE = frozenset({1020, 1213})
"""Changed since the transaction has read it (MariaDB, snapshot isolation); deadlock."""
_MYSQL_READ_ONLY = frozenset({1290, 1792, 1836})
"""Started so (a replica), a transaction that is, switched to it."""
_MYSQL_ROW = frozenset({1264, 1265, 1366, 1367, 1406, 3140, 3819, 4025})
"""Out of range, truncated, wrong, illegal, too long; no JSON; a CHECK of MySQL, of MariaDB."""
_MYSQL_BEYOND_PACKET = 1153
_MYSQL_GONE = frozenset({0, 2006, 2013})
"""The connection was closed before; the server has gone away; the connection was lost."""


def is_about_a_row(error: DBAPIError) -> bool:
    """Say whether a row of the statement can never be written, whenever it is tried."""
    # The classes are SQLite's whole answer: TOOBIG, CONSTRAINT and MISMATCH alone become these.
    return (
        isinstance(error, (DataError, IntegrityError))
        or _sqlstate(error).startswith(_ROW_STATES)
        or _number(error) in _MYSQL_ROW
    )


def is_undone(error: DBAPIError) -> bool:
    """Say whether the transaction was undone in favour of another one: it may be tried again."""
    return _number(error) in _MYSQL_UNDONE or _sqlstate(error).startswith(_UNDONE)


def is_read_only(error: DBAPIError) -> bool:
    """Say whether the server takes no writes by this connection."""
    return _number(error) in _MYSQL_READ_ONLY or _sqlstate(error) == _READ_ONLY


def is_refusal(error: DBAPIError) -> bool:
    """Say whether PostgreSQL refuses for reasons of its own, and not for the statement."""
    return _sqlstate(error).startswith(_REFUSALS)


def is_gone(error: DBAPIError) -> bool:
    """Say whether MySQL has gone, or ended the connection at a row beyond max_allowed_packet."""
    return _number(error) in _MYSQL_GONE


def is_beyond_packet(error: DBAPIError) -> bool:
    """Say whether MySQL says that a statement was beyond max_allowed_packet."""
    return _number(error) == _MYSQL_BEYOND_PACKET


def leave_what_is_out_of_step(context: ExceptionContext) -> None:
    """Close a connection on which something failed that its driver does not know of.

    For ``handle_error`` of an engine: pg8000 may then have sent half a message, and each query
    after that would read the answer to another one.
    """
    driver = context.dialect.loaded_dbapi
    if not isinstance(context.original_exception, driver.Error):
        context.is_disconnect = True
        # The other connections have nothing to do with it.
        context.invalidate_pool_on_disconnect = False


def reason(error: DBAPIError) -> str:
    """Return what the database says of it, without the values of the row."""
    return _answer(error).get("M") or str(error.orig)


def _number(error: DBAPIError) -> int | None:
    told = _told(error)
    return told if isinstance(told, int) else None


def _sqlstate(error: DBAPIError) -> str:
    return _answer(error).get("C", "")


def _answer(error: DBAPIError) -> dict[str, str]:
    # pg8000 raises whatever PostgreSQL answers, its refusals to connect too, as one kind of error,
    # by letters; C is the SQLSTATE, M the message.
    told = _told(error)
    return told if isinstance(told, dict) else {}


def _told(error: DBAPIError) -> dict[str, str] | int | str | None:
    told: dict[str, str] | int | str | None
    told = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return told
