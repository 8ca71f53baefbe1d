"""Each page of the console, walked through as its users do."""

import re

import requests
from playwright.sync_api import Page, expect

from tests.console.browser.conftest import Shop, goto
from tests.services.herald import wait_until
from tests.services.node import NodeProcess
from tests.services.person import Person
from tests.services.socket_client import SocketClient

HOSTILE = '<img src=x onerror="alert(1)">'


def test_published_in_one_tab_and_seen_in_another(person: Person, page: Page) -> None:
    """The form shows what Herald answers; the other tab the event, as text, whatever its name."""
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    other = person.tab()
    goto(other, "live")
    expect(other.locator(".state")).to_have_text("Live")
    other.get_by_role("button", name="Publish").click()
    form = other.get_by_role("dialog")
    form.get_by_label("Event").fill(HOSTILE)
    form.get_by_label("Rooms").fill("orders, vip")
    form.get_by_label("Data").fill('{"<b>": "<script>alert(2)</script>"}')
    form.get_by_role("button", name="Publish").click()
    expect(form.get_by_text("202", exact=True)).to_be_visible()
    expect(form.get_by_label("The answer")).to_contain_text('"recipients": 0')
    form.get_by_label("Data").fill("[1]")
    with person.forgiving("422"):
        form.get_by_role("button", name="Publish").click()
        expect(form.get_by_label("The answer")).to_contain_text("validation_failed")
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    expect(row).to_contain_text("orders, vip")
    expect(row).to_contain_text("<script>alert(2)</script>")
    row.click()
    panel = page.get_by_role("dialog", name=HOSTILE)
    expect(panel).to_contain_text("No socket was there to get it.")
    assert page.locator("img[src=x], .panel script").count() == 0


def test_live_is_filtered_and_paused(shop: Shop, page: Page) -> None:
    """Words narrow what is shown; while it is paused what comes waits, and none of it is lost."""
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    shop.publish("a.first", "b.second")
    rows = page.get_by_role("grid").get_by_role("row")
    expect(rows.filter(has_text="a.first")).to_have_count(1)
    page.get_by_label("Filter events").fill("B.SEC orders")
    expect(rows.filter(has_text="a.first")).to_have_count(0)
    expect(rows.filter(has_text="b.second")).to_have_count(1)
    assert "filter=B.SEC" in page.url
    page.get_by_label("Filter events").fill("")
    page.get_by_role("button", name="Pause").click()
    shop.publish("c.third")
    expect(page.locator("#live-count")).to_contain_text("paused, 1 wait")
    expect(rows.filter(has_text="c.third")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(rows.nth(1)).to_contain_text("c.third")


def test_a_listener_is_among_the_deliveries(shop: Shop, page: Page) -> None:
    """An event that is opened names the sockets that got it."""
    with SocketClient(shop.server.url, shop.key, "orders") as listener:
        goto(page, "live")
        expect(page.locator(".state")).to_have_text("Live")
        shop.publish("order.delivered")
        page.get_by_role("row").filter(has_text="order.delivered").click()
        expect(page.get_by_role("dialog")).to_contain_text(listener.sid)


def test_the_log_is_searched(shop: Shop, page: Page) -> None:
    """By words and by name; further pages come with the scrolling, and the address says it all."""
    shop.publish("refund.asked")
    goto(page, "log")
    count = page.locator("#log-count")
    expect(count).to_have_text("100 found, and more further down")
    grid = page.get_by_role("grid")
    grid.focus()
    page.keyboard.press("End")
    expect(count).not_to_contain_text("100 found")
    page.get_by_label("Words").fill("refund lovelace")
    page.get_by_role("button", name="Search").click()
    expect(count).to_have_text("1 found")
    assert "q=refund" in page.url
    page.reload()
    expect(count).to_have_text("1 found")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="refund.asked")
    expect(panel.get_by_label("Data of the event")).to_contain_text("Ada Lovelace")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    page.get_by_label("Words").fill("neverpublished")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No event was found")).to_be_visible()


def test_a_socket_is_disconnected(shop: Shop, page: Page) -> None:
    """Sockets are there by room; one that is sent away goes, and its client stays away."""
    with NodeProcess() as node:
        client = node.open(shop.server.url, shop.key)
        sid = client.connected()
        client.join("vip")
        goto(page, "sockets")
        page.get_by_label("Rooms that begin with").fill("vi")
        room = page.get_by_role("button", name=re.compile("^vip"))
        expect(room).to_contain_text("1")
        room.click()
        expect(page.get_by_role("heading", name="In vip")).to_be_visible()
        page.get_by_role("button", name=f"Disconnect {sid}").click()
        question = page.get_by_role("alertdialog")
        expect(question).to_contain_text(sid)
        question.get_by_role("button", name="Disconnect").click()
        assert client.wait_for("disconnect")[0] == "io server disconnect"
        expect(page.get_by_text("Nobody is connected")).to_be_visible()


def test_a_key_is_issued_and_revoked(shop: Shop, person: Person, page: Page) -> None:
    """An app is registered, its key shown once and copied; it publishes until it is revoked."""
    goto(page, "keys")
    page.get_by_role("button", name="Register an app").click()
    page.get_by_label("Name").fill("warehouse")
    page.get_by_label("Address of its site").fill("https://warehouse.example")
    page.get_by_role("button", name="Register", exact=True).click()
    section = page.get_by_role("region", name="App warehouse")
    section.get_by_role("button", name="Show keys").click()
    expect(section).to_contain_text("No good key.")
    section.get_by_role("button", name="Issue a key").click()
    page.get_by_label("Name, for yourself").fill("backend")
    page.get_by_role("button", name="Issue", exact=True).click()
    key = page.get_by_label("The new key").input_value()
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("button", name="Done").click()
    expect(page.locator("dialog")).to_have_count(0)
    assert key not in page.content()
    assert shop.server.post("/events", {"event": "a", "data": {}}, key).status_code == 202
    row = section.get_by_role("row").filter(has_text="backend")
    expect(row).to_contain_text("publish")
    row.get_by_role("button").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(section).to_contain_text("1 revoked or expired")
    wait_until(lambda: _status(shop, key) == 401, "the end of the key")
    page.get_by_label("App", exact=True).select_option("warehouse")
    page.get_by_label("App", exact=True).select_option("shop")
    page.get_by_role("button", name="Register an app").click()
    page.get_by_label("Name").fill("warehouse")
    page.get_by_label("Address of its site").fill("https://warehouse.example")
    with person.forgiving("409"):
        page.get_by_role("button", name="Register", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("warehouse")


def _status(shop: Shop, key: str) -> int:
    return shop.server.post("/events", {"event": "a", "data": {}}, key).status_code


def test_analytics_are_read(shop: Shop, page: Page) -> None:
    """Numbers, chart and lists say what the API says, of the range and event that is chosen."""
    goto(page, "analytics?range=30")
    first, last = (page.get_by_label(f"{end} day").input_value() for end in ("First", "Last"))
    overview = requests.get(
        f"{shop.server.url}/analytics/overview?startDate={first}&endDate={last}",
        headers={"Authorization": f"Bearer {shop.key}"},
        timeout=10,
    )
    told = overview.json()
    assert told["count"] > 500
    whole = f"{told['count']:,} hits of {told['uniqueUsers']} users"
    expect(page.locator("#analytics-told")).to_contain_text(whole)
    expect(page.locator(".tile").first).to_contain_text("▲ +")
    expect(page.locator(".chart canvas")).to_be_visible()
    page.get_by_text("As a table").click()
    rows = page.get_by_role("region", name="as a table").get_by_role("row")
    expect(rows).to_have_count(31)
    for name, value in (
        ("Pages", "shop.example/shoes/sneakers"),
        ("Referrers", "duckduckgo.com"),
        ("Browsers", "Firefox"),
        ("Systems", "iOS"),
        ("Devices", "mobile"),
    ):
        expect(page.get_by_role("region", name=name)).to_contain_text(value)
    page.get_by_role("button", name="checkout", exact=True).click()
    page.get_by_role("button", name="Show all events").wait_for()
    expect(page.locator("#analytics-told")).not_to_contain_text(whole)
    page.get_by_role("button", name="Today").click()
    expect(page.locator(".u-legend")).to_contain_text("Hour")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.path().read_text().startswith("appId,")


def test_health_is_told(page: Page) -> None:
    """Each part that Herald tells of has its card."""
    goto(page, "health")
    expect(page.locator("#ready")).to_have_text("Ready")
    expect(page.get_by_role("region", name="Database")).to_contain_text("ok")
    expect(page.get_by_role("region", name="Presence")).to_contain_text("Watchers")


def test_the_keyboard_does_it_all(shop: Shop, page: Page) -> None:
    """Slash goes to the filter, Tab to each control with a ring around it, arrows through rows."""
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter events")).to_be_focused()
    shop.publish("key.pressed")
    expect(page.get_by_role("row").filter(has_text="key.pressed")).to_be_visible()
    for name in ("Pause", "Clear", "Publish"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="key.pressed")).to_be_visible()


def test_signing_out(person: Person) -> None:
    """Who signs out is at the sign-in, and the console is nobody's any more."""
    other = person.another()
    page = other.sign_in()
    page.get_by_label("Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/auth/login")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in to Herald")).to_be_visible()
    other.leave()
