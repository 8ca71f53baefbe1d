"""A Herald with its console, and people who are signed in to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services.browser import Browser
from tests.services.herald import HeraldServer

PAGE = "text/html,application/xhtml+xml,*/*;q=0.8"
"""What a browser accepts that shows a page."""


@pytest.fixture
def sign_in(herald: HeraldServer) -> Iterator[Callable[[], Browser]]:
    """Sign the operator in, in a browser of their own."""
    with ExitStack() as browsers:

        def signed_in() -> Browser:
            browser = browsers.enter_context(Browser(herald.url))
            assert browser.use_link(herald.login_link()).status_code == 303
            return browser

        yield signed_in


@pytest.fixture
def operator(sign_in: Callable[[], Browser]) -> Browser:
    """The operator, who is signed in."""
    return sign_in()
