"""Reads of one moment, on each kind of database."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.storage.database import Database
from webapp.storage.snapshot import hold_snapshot
from webapp.storage.tables import App


def add(database: Database, name: str) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    database.run(lambda session: session.add(App(id=name, name=name, created_at=at)))


def test_what_is_written_meanwhile_is_not_seen(any_database: Database) -> None:
    """All reads of a transaction see what the first one saw; the next transaction sees it all."""
    add(any_database, "before")
    count = select(func.count()).select_from(App)

    def read(session: Session) -> tuple[int | None, int | None]:
        hold_snapshot(session)
        first = session.scalar(count)
        add(any_database, "meanwhile")
        return first, session.scalar(count)

    assert any_database.run(read) == (1, 1)
    assert any_database.run(lambda session: session.scalar(count)) == 2
