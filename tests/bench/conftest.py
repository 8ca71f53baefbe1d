"""What the tests of the benches need to be there."""

import shutil

import pytest

from bench.build import build_load_client
from tests.services.databases import absent


@pytest.fixture(scope="session")
def load_client() -> None:
    """Build the load client."""
    if shutil.which("cc") is None:
        absent("a C compiler is not installed")
    build_load_client()


@pytest.fixture
def redis_server() -> None:
    """Have what a bench starts a Redis with."""
    if shutil.which("redis-server") is None:
        absent("redis-server is not installed")
