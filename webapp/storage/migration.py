"""Applies the migrations at the start, once, however many processes start together."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sqlalchemy import URL, Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from webapp.storage.engines import is_sqlite, migration_engine

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).parents[2] / "migrations"
_POSTGRESQL_LOCK = 0x4E5A1D
"""Any number, as long as it is the same in every process."""
_LOCK_NOT_AVAILABLE = "55P03"
"""What PostgreSQL answers where ``lock_timeout`` ran out."""


WAIT_SECONDS = 30
"""How long another process is waited for: less than Gunicorn's ``timeout``, which would kill us."""
_POLL_SECONDS = 0.05


class MigrationBusy(Exception):
    """Another process has been migrating the same database for too long."""


def migrate(url: str, wait_seconds: int = WAIT_SECONDS) -> None:
    """Bring the database up to date.

    Another process that migrates it is waited for ``wait_seconds``, then ``MigrationBusy`` is
    raised.
    """
    parsed = make_url(url)
    engine = migration_engine(url)
    if is_sqlite(parsed):
        with _file_lock(parsed, wait_seconds):
            _upgrade(engine)
    else:
        with engine.connect() as connection, _server_lock(connection, parsed, wait_seconds):
            _upgrade(engine)


def scripts(connection: Connection) -> "Config":
    """Return Alembic's configuration for work on ``connection``; it leaves logging alone."""
    from alembic.config import Config  # noqa: PLC0415 - as in _upgrade

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # Python's driver begins no transaction for DDL: a crash would leave half a migration.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if _is_current(connection):
            return
        # Not at the top: nearly every start finds nothing to migrate, and this is long to load.
        from alembic import command  # noqa: PLC0415

        command.upgrade(scripts(connection), "head")


def newest_revision() -> str:
    """Return the revision that the newest migration leads to: its file's name begins with it."""
    return max(path.name for path in (_SCRIPTS / "versions").glob("*.py")).partition("_")[0]


def _is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
    return found.all() == [newest_revision()]


@contextmanager
def _file_lock(url: URL, wait_seconds: int) -> Iterator[None]:
    database = Path(url.database or "herald.db")
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with database.with_name(database.name + ".migrating").open("w") as lock:
        deadline = time.monotonic() + wait_seconds
        while not _taken(lock):
            if time.monotonic() >= deadline:
                raise _busy(url, wait_seconds)
            time.sleep(_POLL_SECONDS)
        yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(url: URL, wait_seconds: int) -> MigrationBusy:
    return MigrationBusy(
        f"Another process has been migrating {url.database} for {wait_seconds} seconds."
        " Find out what holds it up, or start again later."
    )


@contextmanager
def _server_lock(connection: Connection, url: URL, wait_seconds: int) -> Iterator[None]:
    # Held by the session of ``connection``: it ends with it, also where the process is killed.
    take = _take_mysql_lock if connection.dialect.name == "mysql" else _take_postgresql_lock
    if not take(connection, url, wait_seconds):
        raise _busy(url, wait_seconds)
    yield


def _take_mysql_lock(connection: Connection, url: URL, wait_seconds: int) -> bool:
    # The name counts in the whole server, not in one database.
    lock = {"name": f"herald:{url.database}"[:64], "seconds": wait_seconds}
    return connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), lock).scalar() == 1


def _take_postgresql_lock(connection: Connection, _url: URL, wait_seconds: int) -> bool:
    connection.execute(text(f"SET lock_timeout = '{wait_seconds}s'"))
    try:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _POSTGRESQL_LOCK})
    except DBAPIError as error:
        if _LOCK_NOT_AVAILABLE in str(error.orig):
            return False
        raise
    return True
