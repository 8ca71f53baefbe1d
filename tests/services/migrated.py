"""Databases that have Herald's tables already: copies of one that the migrations have made.

That the migrations make these tables is what their own tests show. Here they run once a session for
each kind of database, and a copy costs a fraction of that.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from logger_lib import inline
from tests.services.databases import temporary_mariadb, temporary_postgresql
from webapp.storage.database import Database

_originals = ExitStack()


def migrated_file(path: Path) -> str:
    """Make a SQLite file at ``path`` and return its SQLAlchemy URL."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_original_file())
    return f"sqlite:///{path}"


def migrated(kind: str, path: Path) -> AbstractContextManager[str]:
    """Yield the SQLAlchemy URL of a database of ``kind``; ``path`` is where one in a file is."""
    match kind:
        case "mariadb":
            return migrated_mariadb()
        case "postgresql":
            return migrated_postgresql()
        case _:
            return nullcontext(migrated_file(path))


@contextmanager
def migrated_mariadb() -> Iterator[str]:
    """Yield the SQLAlchemy URL of a database that is dropped afterwards."""
    statements = _statements_of_mariadb()
    with temporary_mariadb() as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            # Tables come by name, and refer to others that are made after them.
            for statement in ("SET foreign_key_checks = 0", *statements):
                connection.exec_driver_sql(statement)
        yield url


@contextmanager
def migrated_postgresql() -> Iterator[str]:
    """Yield the SQLAlchemy URL of a database that is dropped afterwards."""
    with temporary_postgresql(template=_original_postgresql()) as url:
        yield url


def drop_originals() -> None:
    """Drop what is copied from: to be called at the end of the session."""
    _originals.close()


@cache
def _original_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "original.db"
        _migrate(f"sqlite:///{path}")
        return path.read_bytes()


@cache
def _original_postgresql() -> str:
    url = _originals.enter_context(temporary_postgresql())
    _migrate(url)
    return str(make_url(url).database)


@cache
def _statements_of_mariadb() -> tuple[str, ...]:
    """Return what makes the tables, and copies the rows that migrations have put into them."""
    url = _originals.enter_context(temporary_mariadb())
    _migrate(url)
    statements: list[str] = []
    with create_engine(url, poolclass=NullPool).connect() as connection:
        original = make_url(url).database
        for table in connection.exec_driver_sql("SHOW TABLES").scalars().all():
            _, made = connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()
            statements.append(str(made))
            if connection.exec_driver_sql(f"SELECT 1 FROM {table}").first():
                statements.append(f"INSERT INTO {table} SELECT * FROM {original}.{table}")
    return tuple(statements)


def _migrate(url: str) -> None:
    database = Database(url, inline)
    database.migrate()
    database.close()
