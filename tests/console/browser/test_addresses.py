"""What is looked at stands in the address: it is another's as it is ours."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import APP, Shop, goto
from tests.services.person import Person
from webapp.access.scopes import Scope

DEPOT = "depot 7 & co"
FAR_EAST = "Pacific/Kiritimati"
"""14 hours before UTC."""

SNOWFLAKE = 1_234_567_890_123_456_789
"""An id of 64 bits, which a number of JavaScript rounds."""


@pytest.fixture
def other_page(person: Person) -> Iterator[Page]:
    """A tab of somebody who has the same apps, and who is in America."""
    other = person.another(time_zone="America/New_York")
    yield other.sign_in()
    other.leave()


def test_an_address_names_its_app(shop: Shop, page: Page, other_page: Page) -> None:
    """Who opens it sees that app, whichever they looked at before; Back leads to the former one."""
    shop.server.issue_key(*Scope, app=DEPOT)
    goto(page, "log?q=order")
    expect(page.locator("#log-count")).to_contain_text("found")
    page.get_by_label("App", exact=True).select_option(DEPOT)
    expect(page.locator("#log-count")).to_have_text("0 found")
    asked = page.url
    page.get_by_role("link", name="Sockets").click()
    page.get_by_role("heading", name="Sockets", exact=True, level=1).wait_for()
    assert page.url.endswith("#/sockets?app=depot+7+%26+co")
    other_page.get_by_label("App", exact=True).select_option(APP)
    other_page.goto(asked)
    expect(other_page.locator("#log-count")).to_have_text("0 found")
    expect(other_page.get_by_label("App", exact=True)).to_have_value(
        page.get_by_label("App", exact=True).input_value()
    )
    page.go_back()
    page.go_back()
    expect(page.get_by_label("App", exact=True).locator("option:checked")).to_have_text(APP)
    expect(page.locator("#log-count")).not_to_have_text("0 found")


def test_an_address_of_somebody_else_s_app(page: Page) -> None:
    """It shows nothing of one's own in its place, and a way on."""
    page.goto("/#/log?app=theirs&q=order")
    expect(page.get_by_text("You have no app “theirs”")).to_be_visible()
    page.get_by_role("link", name="Look at one of yours").click()
    expect(page.locator("#log-count")).to_contain_text("found")
    assert "theirs" not in page.url


def test_back_leads_to_the_search_before(shop: Shop, page: Page, other_page: Page) -> None:
    """Times stand in the address as UTC has them, and in the fields as the browser's clock does."""
    shop.publish("came.back")
    goto(page, "log")
    count = page.locator("#log-count")
    page.get_by_label("Event name").fill("came.back")
    page.get_by_label("From").fill("2026-05-25T12:00")
    page.keyboard.press("Enter")
    expect(count).to_have_text("1 found")
    assert "since=2026-05-25T12%3A00%3A00.000Z" in page.url
    other_page.goto(page.url)
    expect(other_page.locator("#log-count")).to_have_text("1 found")
    expect(other_page.get_by_label("From")).to_have_value("2026-05-25T08:00")
    page.get_by_label("Event name").fill("never.came")
    page.keyboard.press("Enter")
    expect(count).to_have_text("0 found")
    page.go_back()
    expect(count).to_have_text("1 found")
    expect(page.get_by_label("Event name")).to_have_value("came.back")


def test_days_are_those_of_the_app(shop: Shop, person: Person) -> None:
    """Today is what its time zone says, and a chart shows its hours, wherever the browser is."""
    app = "far east"
    key = shop.server.issue_key(*Scope, app=app)
    shop.server.command("apps", "set", app, "--time-zone", FAR_EAST)
    other = person.another(time_zone="America/New_York")
    page = other.sign_in()
    page.clock.install(time=datetime.fromisoformat("2026-05-25T20:00:00Z"))
    hit: JsonObject = {"event": "a", "timestamp": "2026-05-25T19:00:00Z", "userId": "u"}
    assert shop.server.post("/analytics/collect", {"batch": [hit]}, key).status_code == 202
    page.goto("/#/analytics?app=far+east&range=1")
    page.reload()
    expect(page.get_by_label("First day")).to_have_value("2026-05-26")
    expect(page.locator("#analytics-told")).to_have_text(
        "1 hit of 1 user, beside the 1 day before (today is not over)"
    )
    page.get_by_text("As a table").click()
    row = page.get_by_role("row").filter(has_text="2026-05-26 09:00")
    expect(row.get_by_role("cell").first).to_have_text("1")
    page.locator(".chart canvas").wait_for()
    page.get_by_role("button", name="7 days").click()
    expect(page.get_by_label("First day")).to_have_value("2026-05-20")
    other.leave()


def test_an_id_of_64_bits_is_shown_as_it_is(shop: Shop, page: Page) -> None:
    """In the log, and in an event that is opened: as its service has written it."""
    event: JsonObject = {"event": "large.id", "data": {"orderId": SNOWFLAKE, "amount": 1.5}}
    assert shop.server.post("/events", event, shop.key).status_code == 202
    goto(page, "log?event=large.id")
    row = page.get_by_role("row").filter(has_text="large.id")
    expect(row).to_contain_text(str(SNOWFLAKE))
    row.click()
    expect(page.get_by_label("Data of the event")).to_contain_text(f'"orderId": {SNOWFLAKE}')
