"""A Herald whose people can sign in, with somebody who has an app, and a browser."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from playwright.sync_api import Browser, Page

from logger_lib import JsonObject
from tests.services.chromium import chromium
from tests.services.herald import HeraldServer
from tests.services.issuer import Issuer
from tests.services.person import Person
from webapp.access.scopes import Scope

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Documented:
    """A server, and who may call what of it."""

    server: HeraldServer
    key: str
    user_token: str
    parting_token: str
    """Of a session that may end."""

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET a path, as it is answered to anybody."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.server.url + path, headers=given, timeout=SECONDS)

    def document(self, path: str) -> JsonObject:
        """Return a document."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        document: JsonObject = answer.json()
        return document


@pytest.fixture(scope="package")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    """A server of these tests' own: they call everything, again and again."""
    with Issuer() as issuer:
        server = HeraldServer(tmp_path_factory.mktemp("documented"), issuer.settings)
        server.start("tests.access.mapped_app:app")
        try:
            yield Documented(
                server,
                key=server.issue_key(*Scope),
                user_token=server.sign_in("ada"),
                parting_token=server.sign_in("bob"),
            )
        finally:
            server.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(documented: Documented, browser: Browser) -> Iterator[Page]:
    """A tab of somebody's own; the test fails where anything in it goes wrong."""
    person = Person(browser, documented.server)
    yield person.tab()
    person.leave()
