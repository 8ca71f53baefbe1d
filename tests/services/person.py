"""Somebody at a real browser, in tabs that forgive nothing: no error, no other host."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response

from tests.services.herald import HeraldServer
from tests.services.node import FOLDER, install_client

SECONDS = 20.0
DESKTOP, PHONE, SMALL_PHONE = (1280, 800), (390, 844), (320, 640)
_FORGIVEN = re.compile(r"net::ERR_ABORTED")
"""A request that a page takes back when another page comes."""


class Person:
    """Somebody at a browser of their own, with what was wrong in any of their tabs."""

    def __init__(
        self,
        browser: Browser,
        herald: HeraldServer,
        *,
        scheme: str = "light",
        time_zone: str = "UTC",
    ) -> None:
        width, height = DESKTOP
        self._browser = browser
        self._forgiven: str | None = None
        self.herald = herald
        self.wrong: list[str] = []
        self.bytes = 0
        self.context: BrowserContext = browser.new_context(
            base_url=herald.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-GB",
            timezone_id=time_zone,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(SECONDS * 1000)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def tab(self) -> Page:
        """Open a tab; what its console says of errors, and where it goes, is noted."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("request", self._check)
        page.on("requestfailed", self._failed)
        page.on("response", self._count)
        return page

    def sign_in(self) -> Page:
        """Sign in by a link, as the operator does, and return the tab, which shows the console."""
        page = self.tab()
        page.goto(self.herald.login_link())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(self.herald.url + "/#/**")
        return page

    def another(self, *, time_zone: str = "UTC") -> "Person":
        """Return somebody else, with a browser of their own, who is not signed in."""
        return Person(self._browser, self.herald, time_zone=time_zone)

    @contextmanager
    def forgiving(self, text: str) -> Iterator[None]:
        """Note nothing that says ``text``: a console tells of answers over 400, and of none."""
        self._forgiven = text
        try:
            yield
        finally:
            self._forgiven = None

    def leave(self) -> None:
        """Close the browser's window; nothing may have been wrong."""
        self.context.close()
        assert not self.wrong, "\n".join(self.wrong)

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not self._is_forgiven(text):
            self.wrong.append(f"console {kind}: {text}")

    def _is_forgiven(self, text: str) -> bool:
        return self._forgiven is not None and self._forgiven in text

    def _check(self, request: Request) -> None:
        asked = urlsplit(request.url)
        own = urlsplit(self.herald.url).netloc
        if asked.scheme not in {"data", "blob"} and asked.netloc != own:
            self.wrong.append(f"asked another host: {request.url}")

    def _failed(self, request: Request) -> None:
        failure = request.failure or ""
        if not _FORGIVEN.search(failure) and not self._is_forgiven(failure):
            self.wrong.append(f"{request.url}: {failure}")

    def _count(self, response: Response) -> None:
        if response.status < 300 and urlsplit(response.url).path.startswith(("/console/", "/")):
            self.bytes += int(response.headers.get("content-length", "0"))


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page, rule by rule, with where it is."""
    install_client()
    source = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    # As a debugger does it: the page's own policy lets no such script in.
    page.evaluate(source)
    found = page.evaluate(
        "axe.run().then(({violations}) => violations.map(({id, help, nodes}) =>"
        " `${id}: ${help}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))"
    )
    return [str(each) for each in found]
