"""What every test can ask for, and the detector of what one leaves behind."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from logger_lib import inline
from logger_lib.pipeline.lifetime import open_pipelines
from tests.services import herald as servers
from tests.services.cases import CASES
from tests.services.forks import end_forks
from tests.services.herald import HeraldServer, wait_until
from tests.services.migrated import drop_originals, migrated
from webapp.storage.database import Database

# How long a machine takes for an example says nothing of the code: here nothing is timed.
settings.register_profile(
    "herald", deadline=None, max_examples=CASES, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("herald")

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

END_SECONDS = 3.0
"""How long what a test has ended may take to be gone."""


@pytest.fixture(scope="session", autouse=True)
def nothing_left_in_the_end() -> Iterator[None]:
    """End what tests share unknowingly: databases to copy, processes to fork."""
    yield
    drop_originals()
    end_forks()


@pytest.fixture(scope="session")
def herald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A running Herald with embedded defaults, shared by the tests that leave it as it was."""
    with HeraldServer(tmp_path_factory.mktemp("herald")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ``HERALD_HOME`` of the test's own."""
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database of each kind."""
    with migrated(request.param, tmp_path / "any.db") as url:
        database = Database(url, inline)
        yield database
        database.close()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a running server or an unflushed logger behind.

    What fixtures of a wider scope have started was there before, and may stay.
    """
    threads, started = set(threading.enumerate()), set(servers.running)
    loggers = set(open_pipelines)
    yield
    left_running = servers.running - started
    for server in left_running:
        server.stop()
    assert not left_running, "a server is left running: start it in a with block"
    opened = set(open_pipelines) - loggers
    unflushed = [logger for logger in opened if not logger.flush(END_SECONDS)]
    assert not unflushed, "a logger is left unflushed: close it"
    wait_until(
        lambda: threads.issuperset(threading.enumerate()),
        f"the end of {set(threading.enumerate()) - threads}",
        END_SECONDS,
    )
