"""A Herald whose people sign in at a real issuer, and some people."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from logger_lib import uuid7
from tests.services.browser import Browser
from tests.services.herald import HeraldServer
from tests.services.issuer import Issuer


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """An issuer that knows whoever says they are somebody."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="session")
def signing_in(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A Herald that sends its people to the issuer."""
    with HeraldServer(tmp_path_factory.mktemp("signing_in"), issuer.settings) as server:
        yield server


@pytest.fixture
def somebody(signing_in: HeraldServer, issuer: Issuer) -> Iterator[Callable[[], Browser]]:
    """Make somebody new who is signed in, in a browser of their own."""
    with ExitStack() as browsers:

        def sign_in() -> Browser:
            browser = browsers.enter_context(Browser(signing_in.url))
            subject = f"user-{uuid7()}"
            issuer.know(subject, email=f"{subject}@example.com", name="Somebody")
            assert browser.sign_in(subject).status_code == 303
            return browser

        yield sign_in


@pytest.fixture
def ada(somebody: Callable[[], Browser]) -> Browser:
    """Somebody who is signed in."""
    return somebody()
