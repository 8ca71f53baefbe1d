"""A migrated SQLite database, a clock that stands still, and what is built on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import event

from tests.services.migrated import migrated_file
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.rate_limits import Claim
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


@pytest.fixture
def database(home: Path, offloading: Offloading) -> Iterator[Database]:
    made = Database(migrated_file(home / "herald.db"), offloading)
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


class Nobody:
    """Who is not signed in."""

    def claim(self) -> Claim | None:
        """Nobody says anything."""
        return None

    def user_id(self) -> str | None:
        """Nobody is signed in."""
        return None
