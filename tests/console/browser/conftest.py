"""A Herald with a shop in it, and somebody who looks at it in Chromium."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from logger_lib import JsonObject
from tests.console.browser.shop import order_event, visits
from tests.services.chromium import chromium
from tests.services.herald import ROOT, HeraldServer
from tests.services.person import SECONDS, Person
from webapp.access.scopes import Scope

SCREENSHOTS = ROOT / "docs" / "screenshots"
MOST_BYTES = 200_000
APP = "shop"
HITS_A_CALL = 800

# A traced server on a machine that others use takes its time.
expect.set_options(timeout=SECONDS * 1000)


@dataclass(frozen=True, slots=True)
class Shop:
    """A running Herald, and a key of the app that is looked at."""

    server: HeraldServer
    key: str

    def publish(self, *names: str) -> None:
        """Publish an event of each name, or one of any."""
        events = [order_event(name) for name in names] or [order_event()]
        answer = self.server.post("/events/batch", {"events": [*events]}, self.key)
        assert answer.status_code == 202, answer.text


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; other packages have their own, and Playwright runs once at a time in a process."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A Herald with what a shop has published and collected."""
    with HeraldServer(tmp_path_factory.mktemp("shop")) as server:
        found = Shop(server, server.issue_key(*Scope, app=APP))
        found.publish(*["order.created", "order.paid", "cart.updated"] * 50)
        for _ in range(2):
            hits: JsonObject = {"batch": visits(HITS_A_CALL)}
            assert server.post("/analytics/collect", hits, found.key).status_code == 202
        yield found


@pytest.fixture(scope="package")
def person(browser: Browser, shop: Shop) -> Iterator[Person]:
    """The operator, signed in, who looks at the shop."""
    found = Person(browser, shop.server)
    page = found.sign_in()
    page.get_by_label("App").select_option(APP)
    page.close()
    yield found
    found.leave()


@pytest.fixture
def page(person: Person) -> Iterator[Page]:
    """A tab of theirs, in which nothing may go wrong."""
    tab = person.tab()
    yield tab
    for each in person.context.pages:
        each.close()
    assert not person.wrong, person.wrong


def goto(page: Page, where: str) -> None:
    """Open a page of the shop by its address, and wait until it is there."""
    name, _, query = where.partition("?")
    page.goto(f"/#/{name}?app={APP}&{query}")
    name = name.capitalize()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()


def keep_screenshot(page: Page, name: str) -> None:
    """Keep what is seen for the documents, where HERALD_SCREENSHOTS asks for it."""
    if os.environ.get("HERALD_SCREENSHOTS"):
        SCREENSHOTS.mkdir(exist_ok=True)
        # Playwright would write the file on a thread that it keeps.
        picture = page.screenshot(animations="disabled")
        assert len(picture) < MOST_BYTES, name
        (SCREENSHOTS / f"{name}.png").write_bytes(picture)
