"""Migrations: they make the tables that the models say, once, and can be taken back."""

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, make_url, select, text
from sqlalchemy.orm import Session

from tests.services.databases import temporary_mariadb, temporary_postgresql
from webapp.storage.engines import migration_engine
from webapp.storage.hit_tables import HitRow
from webapp.storage.migration import (
    MigrationBusy,
    _file_lock,
    _server_lock,
    migrate,
    newest_revision,
    scripts,
)
from webapp.storage.tables import OPERATOR_ID, App, User, is_ours


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/herald.db"
    elif request.param == "mariadb":
        with temporary_mariadb() as made:
            yield made
    else:
        with temporary_postgresql() as made:
            yield made


def _tables(url: str) -> set[str]:
    with migration_engine(url).connect() as connection:
        return set(inspect(connection).get_table_names())


def test_the_schema_is_what_the_models_say(url: str) -> None:
    """After the migrations nothing is left to migrate; the logger's own tables are not ours."""
    migrate(url)
    with migration_engine(url).begin() as connection:
        for table in ("event_log", "event_log_recipient"):
            connection.execute(text(f"CREATE TABLE {table} (id INTEGER)"))
    with migration_engine(url).connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _parents: kind != "table" or is_ours(name),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, HitRow.metadata) == []
    with migration_engine(url).connect() as connection:
        command.check(scripts(connection))


def test_the_migrations_can_be_taken_back(url: str) -> None:
    """Down to nothing and up again: the tables go and come back; a second start is no event."""
    migrate(url)
    migrate(url)
    ours = set(HitRow.metadata.tables)
    assert _tables(url) == {"alembic_version", *ours}
    with migration_engine(url).begin() as connection:
        command.downgrade(scripts(connection), "base")
    assert _tables(url) == {"alembic_version"}
    migrate(url)
    assert {"app", "api_key"} <= _tables(url)


def test_the_newest_migration_is_known_by_its_name(tmp_path: Path) -> None:
    """What a start compares with is what Alembic calls the head."""
    with migration_engine(f"sqlite:///{tmp_path}/herald.db").connect() as connection:
        head = ScriptDirectory.from_config(scripts(connection)).get_current_head()
    assert newest_revision() == head


def test_what_there_was_is_kept(url: str) -> None:
    """An app and its key from before there were users belong to the operator, and stay."""
    with migration_engine(url).begin() as connection:
        command.upgrade(scripts(connection), "0001")
        connection.execute(text("INSERT INTO app VALUES ('a', 'shop', '2026-01-01 00:00:00')"))
        connection.execute(
            text(
                "INSERT INTO api_key (id, app_id, name, scopes, digest, last_four, created_at)"
                " VALUES ('k', 'a', '', 'publish', 'd', 'last', '2026-01-01 00:00:00')"
            )
        )
    migrate(url)
    with migration_engine(url).connect() as connection:
        found = connection.execute(
            text("SELECT k.id, a.name, a.owner_id FROM api_key k JOIN app a ON a.id = k.app_id")
        ).one()
    assert tuple(found) == ("k", "shop", OPERATOR_ID)


def test_a_host_of_the_version_before_goes_on(url: str) -> None:
    """While hosts are changed one by one, one that knows nothing of 0003 still makes users."""
    migrate(url)
    with migration_engine(url).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO user_account (id, issuer, subject, email, name, created_at)"
                " VALUES ('u', 'i', 's', '', '', '2026-01-01 00:00:00')"
            )
        )
    with Session(migration_engine(url)) as session:
        user = session.get_one(User, "u")
        assert user.email_verified is False


@pytest.mark.parametrize("before", ["base", "0002"])
def test_a_server_that_knows_western_europe_alone(before: str) -> None:
    """Tables are of any script whatever MariaDB's defaults are, those that there were too."""
    with temporary_mariadb("latin1") as url:
        with migration_engine(url).begin() as connection:
            command.upgrade(scripts(connection), before)
        migrate(url)
        with Session(migration_engine(url)) as session:
            for name in ("Küche 🍳", "Shop", "shop"):
                session.add(App(id=name, name=name, created_at=datetime.now(UTC)))
                session.commit()
            assert set(session.scalars(select(App.name))) == {"Küche 🍳", "Shop", "shop"}


def _migrate_at_once(url: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    barrier.wait()
    migrate(url)


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    """Two processes that migrate at the same moment both succeed."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=_migrate_at_once, args=(url, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
        process.close()
    assert {"app", "api_key"} <= _tables(url)


@pytest.mark.parametrize("temporary", [temporary_mariadb, temporary_postgresql])
def test_waiting_for_a_migration_has_an_end(
    temporary: Callable[[], AbstractContextManager[str]],
) -> None:
    """A process that migrates for ever makes the others say so, not wait for ever."""
    with temporary() as url, migration_engine(url).connect() as other:
        with _server_lock(other, make_url(url), 1), pytest.raises(MigrationBusy, match="1 seconds"):
            migrate(url, wait_seconds=1)
        assert _tables(url) == set()


def test_waiting_for_a_migration_of_a_file_has_an_end(tmp_path: Path) -> None:
    """The same for SQLite, where the lock is a file's."""
    url = f"sqlite:///{tmp_path}/herald.db"
    with _file_lock(make_url(url), 1), pytest.raises(MigrationBusy, match="1 seconds"):
        migrate(url, wait_seconds=1)
    migrate(url)


def test_a_crash_leaves_no_half_of_a_migration_in_sqlite(tmp_path: Path) -> None:
    """A migration that fails in its middle leaves the file as it was."""
    path = tmp_path / "herald.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE api_key (in_the_way INTEGER)")
    connection.close()
    url = f"sqlite:///{path}"
    with pytest.raises(Exception, match="already exists"):
        migrate(url)
    assert _tables(url) == {"api_key"}
