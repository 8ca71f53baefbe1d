"""What every test can ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.herald import HeraldServer


@pytest.fixture(scope="session")
def herald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A running Herald with embedded defaults, shared by the tests that leave it as it was."""
    with HeraldServer(tmp_path_factory.mktemp("herald")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ``HERALD_HOME`` of the test's own."""
    return tmp_path / "home"
