"""An app of each test's own."""

import pytest

from tests.services.herald import HeraldServer
from tests.web.conftest import App, new_app


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of this test's own on the shared server."""
    return new_app(herald)
