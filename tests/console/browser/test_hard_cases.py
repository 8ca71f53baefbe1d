"""The console where something is slow, fails or is typed wrong."""

import json
import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import Shop, goto
from tests.services.person import SECONDS, Person

READY: JsonObject = {
    "status": "ready",
    "ready": True,
    "parts": {"database": "ok"},
    "loggers": {
        "state": "ok",
        "mongo": {"state": "out of reach", "waitingBytes": 1536, "mostSpoolBytes": 67_108_864},
    },
}


def test_health_shows_the_state_of_each_logger(page: Page) -> None:
    """A logger that is out of reach says so, beside sizes that people can read."""
    page.route("**/health/ready", lambda route: route.fulfill(body=json.dumps(READY)))
    goto(page, "health")
    loggers = page.get_by_role("region", name="Loggers")
    expect(loggers.locator(".facts .badge.bad")).to_have_text("out of reach")
    expect(loggers).to_contain_text("1.5 KiB")
    expect(loggers).to_contain_text("64 MiB")


def test_the_log_goes_on_after_a_page_that_failed(person: Person, page: Page) -> None:
    """A further page that fails is asked for again, and the rows that are there stay."""
    failing = re.compile(r"/events\?.*cursor=")
    page.route(failing, lambda route: route.fulfill(status=503, body="{}"))
    goto(page, "log")
    count = page.locator("#log-count")
    expect(count).to_have_text("100 found, and more further down")
    with person.forgiving("503"):
        page.get_by_role("grid").focus()
        page.keyboard.press("End")
        expect(count).to_have_text("The search failed")
    page.unroute(failing)
    page.get_by_role("button", name="Try again").click()
    expect(count).to_contain_text(re.compile(r"^(1\d\d|200) found"))
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_sockets_are_shown_however_long_the_answer_takes(page: Page) -> None:
    """No look is begun while one lasts, and letters that follow each other are one look."""
    page.clock.install()
    waiting: list[Route] = []
    page.route("**/rooms?*", lambda route: waiting.append(route))
    goto(page, "sockets")
    wait_in(page, lambda: len(waiting) == 1)
    page.clock.run_for(20_000)
    waiting[0].continue_()
    expect(page.locator("#socket-count")).to_contain_text("connected")
    page.get_by_label("Rooms that begin with").press_sequentially("customer")
    page.clock.run_for(1_000)
    wait_in(page, lambda: len(waiting) == 2)
    assert "prefix=customer" in waiting[1].request.url
    waiting[1].continue_()


def wait_in(page: Page, is_so: Callable[[], bool]) -> None:
    """Wait until it is so, while the browser's events are heard."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        page.evaluate("1")


def test_names_that_every_object_has_are_no_pages(page: Page) -> None:
    """Nor ranges: such an address shows what one without a name shows."""
    page.goto("/#/toString")
    page.get_by_role("heading", name="Live", exact=True, level=1).wait_for()
    goto(page, "analytics?range=constructor")
    expect(page.locator("#analytics-told")).to_contain_text("beside the 7 days before")


def test_nobody_publishes_to_everybody_by_a_comma(page: Page) -> None:
    """What is typed wrong is not sent, and the form says what is wrong."""
    sent: list[str] = []
    page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    page.get_by_role("button", name="Publish").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Rooms").fill(",")
    form.get_by_role("button", name="Publish").click()
    expect(form.get_by_role("status")).to_contain_text("A comma has no room beside it.")
    form.get_by_label("Rooms").fill("")
    form.get_by_label("Data").fill('{},"rooms":["vip"]')
    form.get_by_role("button", name="Publish").click()
    expect(form.get_by_role("status")).to_contain_text("The data is not JSON")
    assert not [url for url in sent if url.endswith("/events")]
