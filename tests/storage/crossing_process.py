"""Run by ``test_database``: two real threads inside SQLAlchemy, often at one moment."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from webapp.patching import patch

patch()

import eventlet  # noqa: E402 - everything else comes after the patch
from sqlalchemy import select  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

from webapp.offload import make_offload  # noqa: E402
from webapp.storage.database import Database  # noqa: E402
from webapp.storage.tables import User  # noqa: E402

_ROUNDS = 6
_LOADS = 400
_SWITCH_SECONDS = 1e-6
"""From one thread to the other: usually 5 ms, in which both are hardly ever at the same place."""


def main(home: Path) -> None:
    """Print ``went on`` where neither thread has waited for the other for ever."""
    database = Database(f"sqlite:///{home / 'herald.db'}", make_offload())
    database.migrate()
    reading = database.for_reading(make_offload())
    sys.setswitchinterval(_SWITCH_SECONDS)
    both = [eventlet.spawn(_read, each) for each in (database, reading)]
    assert [each.wait() for each in both] == [_ROUNDS, _ROUNDS]
    reading.close()
    database.close()
    print("went on")


def _read(database: Database) -> int:
    for _ in range(_ROUNDS):
        database.run(_load)
    return _ROUNDS


def _load(session: Session) -> None:
    for _ in range(_LOADS):
        session.scalars(select(User)).all()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
