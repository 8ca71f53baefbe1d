"""The tutorial, followed to the letter by somebody who has never seen Herald."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.deployment.deployed import Deployed, bare_environment
from tests.services.chromium import chromium
from tests.services.herald import ROOT, free_port, wait_until

SECONDS = 20.0
expect.set_options(timeout=SECONDS * 1000)
MOST_BYTES = 100_000
CLIENT = Path("docs") / "clients" / "publish.py"
PICTURE = ROOT / "docs" / "screenshots" / "tutorial.png"


@dataclass(frozen=True, slots=True)
class Tutorial:
    """What ``docs/tutorial.md`` says, for a Herald and a shop on other ports."""

    herald_port: int
    shop_port: int

    @property
    def text(self) -> str:
        """The whole of it."""
        text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
        return text.replace("1055", str(self.herald_port)).replace("8000", str(self.shop_port))

    def commands(self) -> list[str]:
        """Return each block of commands, in order."""
        return re.findall(r"^```bash\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def files(self) -> dict[str, str]:
        """Return each file that is to be written, by its path."""
        named = r"`(shop/[\w/.]+)`\. (?:(?!```).)*?^```(?:python|html)\n(.*?)^```$"
        return dict(re.findall(named, self.text, re.MULTILINE | re.DOTALL))

    def press(self, where: Page | Locator, name: str) -> None:
        """Press what the tutorial tells to press."""
        assert f"**{name}**" in self.text, name
        where.get_by_role("button", name=name).or_(where.get_by_role("link", name=name)).click()


def run(folder: Path, commands: str) -> None:
    """Run ``commands`` as a terminal in ``folder`` would."""
    subprocess.run(
        ["bash", "-ec", commands], cwd=folder, env=bare_environment(), check=True, timeout=SECONDS
    )


@contextmanager
def shop(folder: Path, commands: str, keys: tuple[str, str]) -> Iterator[None]:
    """Start the shop as the tutorial does, with its keys in the place of the dots."""
    for key in keys:
        commands = commands.replace("...", key, 1)
    with (folder.parent / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-ec", commands.replace(".venv/bin/flask", "exec .venv/bin/flask")],
            cwd=folder,
            env=bare_environment(),
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(SECONDS)


def sign_in(browser: BrowserContext, tutorial: Tutorial, herald: Deployed) -> Page:
    """Open the link that the start has printed; return the console."""
    link = re.search(r"^http://localhost\S+/auth/login\S+$", herald.output(), re.MULTILINE)
    assert link, herald.output()
    console = browser.new_page()
    console.goto(link[0])
    tutorial.press(console, "Sign in")
    return console


def make_keys(console: Page, tutorial: Tutorial) -> tuple[str, str]:
    """Register the app; return the key of the backend, and that of the page."""
    tutorial.press(console, "Keys")
    tutorial.press(console, "Register an app")
    console.get_by_label("Name").fill("shop")
    console.get_by_label("Address of its site").fill(f"http://localhost:{tutorial.shop_port}")
    console.get_by_role("button", name="Register", exact=True).click()
    app = console.get_by_role("region", name="App shop")
    tutorial.press(app, "Show keys")
    of_backend = issue(console, tutorial, "publish", "subscribe")
    return of_backend, issue(console, tutorial, "collect")


def issue(console: Page, tutorial: Tutorial, *scopes: str) -> str:
    """Issue a key that has just ``scopes``; return it."""
    tutorial.press(console.get_by_role("region", name="App shop"), "Issue a key")
    form = console.get_by_role("dialog")
    for box in form.get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") in scopes)
    assert all(f"**{scope}**" in tutorial.text for scope in scopes)
    form.get_by_role("button", name="Issue", exact=True).click()
    key = form.get_by_label("The new key").input_value()
    tutorial.press(form, "Done")
    return key


def order(page: Page, tutorial: Tutorial, item: str) -> None:
    """Order ``item`` on the shop's page."""
    page.get_by_label("What is ordered").fill(item)
    tutorial.press(page, "Order")


def open_shop(browser: BrowserContext, tutorial: Tutorial) -> Page:
    """Open the shop's page in a window, and wait until it is live."""
    page = browser.new_page()
    page.goto(f"http://localhost:{tutorial.shop_port}")
    expect(page.get_by_role("status")).to_have_text("live")
    return page


def is_up(port: int) -> bool:
    """Say whether the shop answers."""
    try:
        return requests.get(f"http://localhost:{port}/orders", timeout=SECONDS).ok
    except requests.ConnectionError:
        return False


def see_in_the_console(console: Page, tutorial: Tutorial, page: Page) -> None:
    """See on the console's pages what the tutorial says is there."""
    expect(console.get_by_role("grid")).to_contain_text("order.created")
    wait_until(lambda: int(page.evaluate("herald.counts().sent")) >= 2, "the hits", SECONDS)
    tutorial.press(console, "Analytics")
    events = console.get_by_role("region", name="Events")
    expect(events).to_contain_text("page_view")
    expect(events).to_contain_text("order_placed")


def expect_orders(pages: list[Page], *items: str) -> None:
    """Each page shows just these, the newest first."""
    for page in pages:
        expect(page.get_by_role("listitem")).to_have_text([*items])


def keep_picture(page: Page) -> None:
    """Keep what the page shows for the tutorial, where HERALD_SCREENSHOTS asks for it."""
    if os.environ.get("HERALD_SCREENSHOTS"):
        page.set_viewport_size({"width": 720, "height": 400})
        picture = page.screenshot(animations="disabled")
        assert len(picture) < MOST_BYTES
        PICTURE.write_bytes(picture)


def test_the_tutorial(folder: Path) -> None:
    """From nothing to orders on two pages and in the console, and none is lost by a restart."""
    shutil.copytree(ROOT / CLIENT.parent, folder / CLIENT.parent)
    herald = Deployed(["make", "run"], folder, {})
    tutorial = Tutorial(herald.port, free_port())
    settings, start, copies, backend, by_curl, again = tutorial.commands()
    assert start == again == "make run\n"
    run(folder, settings + copies)
    for path, content in tutorial.files().items():
        (folder / path).write_text(content, encoding="utf-8")
    with chromium() as program, ExitStack() as stack:
        browser = program.new_context(locale="en-GB")
        browser.set_default_timeout(SECONDS * 1000)
        with herald:
            console = sign_in(browser, tutorial, herald)
            keys = make_keys(console, tutorial)
            console.get_by_label("App", exact=True).select_option("shop")
            tutorial.press(console, "Live")
            expect(console.locator(".state")).to_have_text("Live")
            stack.enter_context(shop(folder, backend, keys))
            wait_until(lambda: is_up(tutorial.shop_port), "the shop", SECONDS)
            pages = [open_shop(browser, tutorial) for _ in range(2)]
            order(pages[0], tutorial, "a book")
            expect_orders(pages, "a book")
            run(folder, by_curl)
            expect_orders(pages, "a lamp", "a book")
            see_in_the_console(console, tutorial, pages[0])
        for page in pages:
            expect(page.get_by_role("status")).to_have_text("away")
        order(pages[0], tutorial, "a chair")
        with herald:
            expect_orders(pages, "a chair", "a lamp", "a book")
            expect(pages[1].get_by_role("status")).to_have_text("live")
            keep_picture(pages[1])
            tutorial.press(console, "Log")
            expect(console.get_by_role("grid").get_by_text("order.created")).to_have_count(3)
            console.get_by_label("Account").click()
            console.get_by_role("link", name="API documents").click()
            console.wait_for_url("**/api-docs")
