"""Chromium, driven by Playwright: pages as their visitors' browsers run them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.services.databases import absent

VISITOR = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/141.0.0.0 Safari/537.36"
)
"""What Chromium says of itself where it has a window; without one it says that it is a bot. What a
context is told to say would not be said by what is sent when a page is left."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium; without one the test is skipped."""
    program = shutil.which("chromium")
    if program is None:
        absent("Chromium is not installed")
    with sync_playwright() as playwright:
        # The browser itself asks no host for anything.
        own = ["--disable-background-networking", "--disable-component-update"]
        arguments = ["--no-sandbox", f"--user-agent={VISITOR}", *own]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
