"""A Herald, a site of another origin with its tracker, and visitors in a real browser."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from logger_lib import JsonObject, JsonValue, uuid7
from tests.services.chromium import chromium
from tests.services.herald import HeraldServer, wait_until
from tests.services.site import Site
from webapp.access.scopes import Scope

SECONDS = 20.0


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser of all visitors."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """The site, which Herald's ``CORS_ORIGINS`` do not name."""
    with Site() as running:
        yield running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A Herald with its defaults, but that a key collects no more than eight hits a second."""
    home = tmp_path_factory.mktemp("tracked")
    with HeraldServer(home, {"RATE_LIMIT_COLLECT": "8/second"}) as running:
        yield running


class Visitor:
    """Somebody's browser, which has been nowhere yet; what it complains of is noted."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def go(self, url: str) -> None:
        """Open an address and wait until its scripts have run."""
        self.page.goto(url, wait_until="load")

    def follow(self, url: str) -> None:
        """Go on to an address from the page, as by a link on it."""
        self.page.evaluate("url => { location.href = url; }", url)
        self.page.wait_for_url(url)

    def run(self, script: str) -> JsonValue:
        """Run a script on the page and return its value."""
        value: JsonValue = self.page.evaluate(script)
        return value

    def count(self, name: str) -> int:
        """Return one of the tracker's counters."""
        value = self.run(f"herald.counts().{name}")
        assert isinstance(value, int)
        return value

    def wait_for_count(self, name: str, least: int = 1) -> None:
        """Wait until one of the tracker's counters is at ``least`` so much."""
        self.page.wait_for_function(
            f"herald.counts().{name} >= {least}", timeout=SECONDS * 1000, polling=50
        )


class Visit(Protocol):
    """Makes visitors."""

    def __call__(self, prepared: str | None = None) -> Visitor:
        """Return another one; ``prepared`` is a script that runs before those of its pages."""
        ...


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """As many visitors as the test wants."""
    contexts: list[BrowserContext] = []

    def make(prepared: str | None = None) -> Visitor:
        context = browser.new_context()
        contexts.append(context)
        if prepared is not None:
            context.add_init_script(prepared)
        return Visitor(context)

    yield make
    for context in contexts:
        context.close()


def tracked_page(herald: str, key: str, options: Mapping[str, str]) -> str:
    """Return a page with the tracker of the Herald at ``herald`` in it."""
    attributes = {"data-key": key, **options}
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        "<!doctype html><html lang=en><head><title>Shop</title>"
        f'<script defer src="{herald}/herald.js"{given}></script></head>'
        "<body><h1>Shop</h1></body></html>"
    )


@dataclass(frozen=True, slots=True)
class Shop:
    """One app of Herald whose site is tracked."""

    server: HeraldServer
    site: Site
    app: str
    key: str
    reading: str

    def open(self, **options: str) -> None:
        """Have every page of the site be a tracked one; ``auto="false"`` is ``data-auto``."""
        attributes = {f"data-{name}": value for name, value in options.items()}
        self.site.page = tracked_page(self.server.url, self.key, attributes)

    def address(self, path: str = "/") -> str:
        """Return the address of one of its pages."""
        return self.site.url + path

    def ask(self, question: str, **parameters: str) -> requests.Response:
        """Ask Herald's analytics about it."""
        answer = requests.get(
            f"{self.server.url}/analytics/{question}",
            params=parameters,
            headers={"Authorization": f"Bearer {self.reading}"},
            timeout=SECONDS,
        )
        assert answer.status_code == 200, answer.text
        return answer

    def counted(self, event: str) -> int:
        """Return how many hits of ``event`` the summary has."""
        count = self.ask("event-summary", event=event).json()["count"]
        assert isinstance(count, int)
        return count

    def hits(self, event: str, number: int) -> list[JsonObject]:
        """Wait until there are ``number`` hits of ``event``, and return those that there are."""
        wait_until(
            lambda: self.counted(event) >= number, f"{number} hits of {event}", seconds=SECONDS
        )
        lines = self.ask("export", format="jsonl", event=event).text.splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def shop(server: HeraldServer, site: Site) -> Shop:
    """An app of the test's own, whose pages are tracked with nothing but the key said."""
    app = f"shop-{uuid7()}"
    key = server.issue_key(Scope.COLLECT, app=app)
    made = Shop(server, site, app, key, server.issue_key(Scope.READ, app=app))
    made.open()
    return made
