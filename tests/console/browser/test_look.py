"""How the pages look and sound: axe finds nothing, nothing runs over, and pictures for the docs."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import APP, Shop, goto, keep_screenshot
from tests.services.person import DESKTOP, PHONE, SMALL_PHONE, Person, violations
from tests.services.socket_client import SocketClient

VISITORS = 7
LIVE_EVENTS = 18
"""As many as fill a picture."""

PAGES = ("live", "log?q=invoice", "sockets", "analytics?range=30", "keys", "health")
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """What the system prefers."""
    return str(request.param)


def test_every_page(browser: Browser, shop: Shop, scheme: str) -> None:
    """On each, at a desk and on a phone: no violation, no scrolling to the side."""
    person = Person(browser, shop.server, scheme=scheme)
    page = person.tab()
    page.goto("/auth/login")
    assert violations(page) == []
    _keep(page, "sign-in", scheme)
    page.close()
    page = person.sign_in()
    page.get_by_label("App", exact=True).select_option(APP)
    shop.publish(*["invoice.sent", "invoice.paid"] * 3)
    with ExitStack() as visitors:
        for number in range(VISITORS):
            visitors.enter_context(_visitor(shop, f"customer-{number + 1}"))
        for where in PAGES:
            _look(page, shop, where)
            name = where.partition("?")[0]
            for size in (DESKTOP, PHONE):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                assert violations(page) == [], (where, size)
                assert page.evaluate(WIDER) == 0, (where, size)
                _keep(page, name if size == DESKTOP else f"{name}-phone", scheme)
            page.set_viewport_size({"width": SMALL_PHONE[0], "height": SMALL_PHONE[1]})
            assert page.evaluate(WIDER) == 0, where
            page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    person.leave()


def _visitor(shop: Shop, name: str) -> SocketClient:
    """Return the socket of somebody who is in a room of their own, and in that of all orders."""
    wanted: JsonObject = {"rooms": ["orders", name], "subject": name}
    answer = shop.server.post("/tokens", wanted, shop.key)
    assert answer.status_code == 201, answer.text
    return SocketClient(shop.server.url, answer.json()["token"], "orders", name)


def _look(page: Page, shop: Shop, where: str) -> None:
    goto(page, where)
    if where == "live":
        expect(page.locator(".state")).to_have_text("Live")
        for _ in range(LIVE_EVENTS):
            shop.publish()
        expect(page.locator("#live-count")).to_contain_text(f"{LIVE_EVENTS} events")
    elif where.startswith("log"):
        expect(page.locator("#log-count")).to_contain_text("found")
    elif where == "sockets":
        expect(page.locator("#socket-count")).to_contain_text("connected")
    elif where == "keys":
        page.get_by_role("region", name="App shop").wait_for()
    elif where == "health":
        expect(page.locator("#ready")).to_have_text("Ready")
    else:
        page.locator(".chart canvas").wait_for()
        expect(page.locator(".bars").last.locator("li")).not_to_have_count(0)


def _keep(page: Page, name: str, scheme: str) -> None:
    keep_screenshot(page, name if scheme == "light" else f"{name}-{scheme}")


def test_what_opens_beside_a_page(page: Page) -> None:
    """The forms, an event that is opened, and a question are as well made."""
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    page.get_by_label("Account").click()
    expect(page.get_by_role("link", name="API documents")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Account").click()
    page.get_by_role("button", name="Publish").click()
    assert violations(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_role("dialog").get_by_text("202", exact=True)).to_be_visible()
    keep_screenshot(page, "publish")
    page.keyboard.press("Escape")
    page.get_by_role("grid").get_by_role("row").nth(1).click()
    expect(page.get_by_role("dialog")).to_contain_text("Deliveries")
    assert violations(page) == []
    page.keyboard.press("Escape")
    goto(page, "keys")
    page.get_by_role("region", name="App shop").get_by_role("button", name="Issue").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Revoke").first.click()
    assert violations(page) == []


def test_the_theme_is_chosen(page: Page) -> None:
    """A button goes from the system's theme to light and dark, and the browser keeps the choice."""
    goto(page, "health")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    page.get_by_role("button", name="Theme: dark").wait_for()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate(background) == light
