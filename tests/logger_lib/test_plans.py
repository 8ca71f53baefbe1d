"""Each filter is read along an index, newest first: nothing is scanned and nothing is sorted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from sqlalchemy import Connection, Engine, event, text

from bench.reading import PAGE, Sample, searches
from logger_lib.destinations.sql import SqlLoggerFactory
from tests.logger_lib.conftest import sql_place
from tests.services.databases import temporary_mariadb, temporary_postgresql
from webapp.events.event_log import EventLog

EVENTS = 3000
AT_ONCE = 1000

Values: TypeAlias = "tuple[str | int, ...] | dict[str, str | int]"


@dataclass(slots=True)
class Watched:
    """A log of ``EVENTS`` events, and every statement since ``sent`` was cleared."""

    engine: Engine
    log: EventLog
    sample: Sample
    sent: dict[str, Values] = field(default_factory=dict)

    def watch(self) -> None:
        """Begin to take note."""
        event.listen(
            self.engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, values, *_: self.sent.update(
                {statement: values}
            ),
        )

    def plans(self, connection: Connection) -> Iterator[tuple[str, str]]:
        """Yield each statement that reads the log, and the database's own words on how."""
        explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        for statement, values in list(self.sent.items()):
            if "FROM event_log" in statement:
                rows = connection.exec_driver_sql(f"{explain} {statement}", values)
                yield statement, "\n".join(" ".join(map(str, row)) for row in rows)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    home = tmp_path_factory.mktemp("plans")
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    yield filled(factory)
    factory.close()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Watched]:
    with temporary_mariadb() as url:
        yield from served(url, "ANALYZE TABLE event_log, event_log_term")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Watched]:
    with temporary_postgresql() as url:
        yield from served(url, "ANALYZE")


def served(url: str, analyze: str) -> Iterator[Watched]:
    with sql_place(url) as place:
        assert isinstance(place.factory, SqlLoggerFactory)
        watched = filled(place.factory)
        with watched.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(analyze))
        yield watched


def filled(factory: SqlLoggerFactory) -> Watched:
    factory.prepare()
    sample = Sample(EVENTS)
    for batch in sample.batches():
        for start in range(0, len(batch), AT_ONCE):
            factory.sink.write(batch[start : start + AT_ONCE])
    watched = Watched(factory._engine, EventLog(factory.create_reader()), sample)
    watched.watch()
    return watched


NAMES = list(searches(Sample(EVENTS), EVENTS))


def plans(watched: Watched, name: str) -> list[tuple[str, str]]:
    """Return how the first page of a search is read, and one that begins where it ended."""
    search = searches(watched.sample, EVENTS)[name]
    watched.sent.clear()
    first = list(watched.log.newest(search, most=PAGE))
    if first:
        list(watched.log.newest(search, before=first[-1].id, most=PAGE))
    with watched.engine.connect() as connection:
        settings = [sent for sent in watched.sent if "set_config" in sent]
        if settings:
            connection.exec_driver_sql(settings[0])
        found = list(watched.plans(connection))
    assert found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_sqlite(sqlite: Watched, name: str) -> None:
    """SQLite searches an index; without any filter it goes along one."""
    for statement, plan in plans(sqlite, name):
        assert "TEMP B-TREE" not in plan, (statement, plan)
        for line in plan.splitlines():
            along = "SCAN event_log USING COVERING INDEX" in line and name.startswith("all apps")
            searching = "SEARCH" in line and ("INDEX" in line or "PRIMARY KEY" in line)
            assert searching or along or "SUBQUERY" in line, (statement, plan)


@pytest.mark.parametrize("name", NAMES)
def test_mariadb(mariadb: Watched, name: str) -> None:
    """MariaDB says of no table that it reads ALL of it, and of none that it sorts."""
    for statement, plan in plans(mariadb, name):
        assert "ALL" not in plan.split(), (statement, plan)
        assert "filesort" not in plan, (statement, plan)
        assert "temporary" not in plan, (statement, plan)


@pytest.mark.parametrize("name", NAMES)
def test_postgresql(postgresql: Watched, name: str) -> None:
    """PostgreSQL scans indexes, and joins what stands in their order."""
    for statement, plan in plans(postgresql, name):
        assert "Index" in plan, (statement, plan)
        for word in ("Seq Scan", "Sort", "Bitmap", "Hash"):
            assert word not in plan, (statement, plan)
