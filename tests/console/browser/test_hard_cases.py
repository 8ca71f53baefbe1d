"""The console where something is slow, fails or is typed wrong."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import APP, Shop, goto
from tests.services.person import SECONDS, Person

WAITING = """async () => {
  const { Waiting } = await import("/console/live-events.js");
  const event = (number, data) =>
    ({ id: `${number}`, event: "a", rooms: [], data, recipients: 0, at: "", leftOut: 0 });
  const large = new Waiting(), many = new Waiting();
  for (let number = 0; number < 3000; number += 1) large.push(event(number, "x".repeat(8000)));
  for (let number = 0; number < 12000; number += 1) many.push(event(number, number));
  return { size: [large.size, many.size], leftOut: [large.leftOut, many.leftOut],
           first: many.take(500)[0].event.id };
}"""

READY: JsonObject = {
    "status": "ready",
    "ready": True,
    "parts": {"database": "ok"},
    "loggers": {
        "state": "ok",
        "mongo": {"state": "out of reach", "waitingBytes": 1536, "mostSpoolBytes": 67_108_864},
    },
}


@pytest.fixture
def clocked(person: Person) -> Iterator[Page]:
    """A tab whose clock we turn: that of somebody else, as all tabs of a window have one clock."""
    other = person.another()
    page = other.sign_in()
    page.get_by_label("App", exact=True).select_option(APP)
    page.clock.install()
    yield page
    other.leave()


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


def test_sockets_are_shown_however_long_the_answer_takes(clocked: Page) -> None:
    """No look is begun while one lasts, and letters that follow each other are one look."""
    page = clocked
    waiting: list[Route] = []

    def wait_for_us(route: Route) -> None:
        waiting.append(route)

    page.route("**/rooms?*", wait_for_us)
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


def test_a_row_is_opened_while_events_come(clocked: Page, shop: Shop) -> None:
    """The row that the pointer goes down on stays under it until it is up, or for a second."""
    page = clocked
    came: list[str] = []
    page.on("websocket", lambda way: way.on("framereceived", lambda said: came.append(str(said))))
    page.reload()
    goto(page, "live")
    expect(page.locator(".state")).to_have_text("Live")
    shop.publish("hold.me")
    rows = page.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("hold.me")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)

    def hold_while_others_come(name: str, ms: int) -> None:
        page.mouse.down()
        shop.publish(*[name] * 5)
        wait_in(page, lambda: sum(name in said for said in came) == 5)
        page.clock.run_for(ms)

    rows.nth(1).hover()
    hold_while_others_come("came.later", 500)
    page.mouse.up()
    expect(page.get_by_role("dialog")).to_contain_text("hold.me")
    page.keyboard.press("Escape")
    page.clock.run_for(500)
    expect(rows.nth(1)).to_contain_text("came.later")
    rows.nth(1).hover()
    hold_while_others_come("came.last", 1_500)
    expect(rows.nth(1)).to_contain_text("came.last")
    page.mouse.up()


def test_what_waits_is_bounded(page: Page) -> None:
    """By number and by size; the oldest go, are counted, and the others come in their order."""
    goto(page, "health")
    assert page.evaluate(WAITING) == {
        "size": [1047, 10_000],
        "leftOut": [1953, 2_000],
        "first": "2000",
    }
