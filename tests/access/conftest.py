"""A migrated SQLite database, a clock that stands still, and what is built on them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import event

from logger_lib.offload import inline
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.tokens import KeySigner
from webapp.storage.database import Database

SECRET = "a secret of the tests, long enough"
Result = TypeVar("Result")


class Clock:
    """Unix time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time that the test set."""
        return self.now


@dataclass
class Offloading:
    """An offload that lets a test look on: it calls ``before`` in front of each transaction."""

    before: Callable[[], None] = field(default=lambda: None)

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Run ``call`` here, after ``before``."""
        self.before()
        return call()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def offloading() -> Offloading:
    return Offloading()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: migrating takes longer than most tests here."""
    path = tmp_path_factory.mktemp("migrated") / "herald.db"
    made = Database(f"sqlite:///{path}", inline)
    made.migrate()
    made.close()
    return path


@pytest.fixture
def database(home: Path, offloading: Offloading, migrated_file: Path) -> Iterator[Database]:
    home.mkdir()
    shutil.copy(migrated_file, home)
    made = Database(f"sqlite:///{home}/herald.db", offloading)
    yield made
    made.close()


@pytest.fixture
def statements(database: Database) -> list[str]:
    """Every SQL statement from here on, as it is sent."""
    sent: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *arguments: sent.append(str(arguments[2]))
    )
    return sent


@pytest.fixture
def signer(clock: Clock) -> KeySigner:
    return KeySigner(SECRET, clock)


@pytest.fixture
def keys(database: Database, signer: KeySigner, clock: Clock) -> ApiKeys:
    return ApiKeys(database, signer, clock)


@pytest.fixture
def gate(keys: ApiKeys, signer: KeySigner, clock: Clock) -> Gate:
    return Gate(keys, signer, clock, clock)
