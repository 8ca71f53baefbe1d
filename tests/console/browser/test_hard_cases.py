"""The console where something is slow, fails or is typed wrong."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, Route, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import APP, Shop, goto
from tests.services.person import SECONDS, Person
from tests.services.socket_client import SocketClient

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


def test_a_page_that_is_left_shows_nothing_any_more(person: Person, page: Page) -> None:
    """What it was waiting for fails later, and what it had opened is closed with it."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    goto(page, "live")
    page.get_by_role("button", name="Publish").click()
    page.route("**/auth/apps", hold)
    page.evaluate("location.hash = '#/log?app=not-known-yet'")
    wait_in(page, lambda: len(held) == 1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    goto(page, "health")
    with person.forgiving("net::ERR_FAILED"):
        held[0].abort()
        page.unroute("**/auth/apps")
        expect(page.locator("#ready")).to_have_text("Ready")
        page.evaluate("location.hash = '#/keys'")
        page.get_by_role("region", name="App shop").wait_for()
    assert page.get_by_text("could not be loaded").count() == 0


@pytest.mark.parametrize(
    ("where", "asked", "said"),
    [
        ("keys", "**/auth/apps", "Your apps could not be asked for"),
        ("analytics", "**/analytics/overview?*", "The hits could not be counted"),
    ],
)
def test_what_failed_is_tried_again(
    person: Person, page: Page, where: str, asked: str, said: str
) -> None:
    """The page says what failed, and its button asks again."""
    goto(page, "health")
    refusal = {"error": {"code": "unavailable", "message": "Try again in a moment."}}
    page.route(asked, lambda route: route.fulfill(status=503, body=json.dumps(refusal)))
    with person.forgiving("503"):
        goto(page, where)
        failed = page.get_by_role("alert").filter(has_text=said)
        expect(failed).to_contain_text("Try again in a moment.")
        page.unroute(asked)
        failed.get_by_role("button", name="Try again").click()
        expect(failed).to_have_count(0)
    expect(page.locator(".card").first).to_be_visible()


def test_sockets_say_what_they_do_not_know(person: Person, page: Page) -> None:
    """A room that none can be called is nobody's, and an answer that failed is no answer."""
    told = page.locator("#socket-count")
    with person.forgiving("422"):
        goto(page, f"sockets?room={'a' * 300}")
        expect(told).to_contain_text("Not known")
    expect(page.get_by_text("Nobody is connected")).to_be_hidden()


def test_the_focus_stays_with_its_socket(page: Page, shop: Shop) -> None:
    """Others come in front of it, or behind: Enter never disconnects somebody else."""
    with SocketClient(shop.server.url, shop.key, "focus") as first:
        goto(page, "sockets?room=focus")
        page.get_by_role("button", name=f"Disconnect {first.sid}").focus()
        with ExitStack() as others:
            for _ in range(4):
                others.enter_context(SocketClient(shop.server.url, shop.key, "focus"))
            expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "6")
            expect(page.get_by_role("button", name=f"Disconnect {first.sid}")).to_be_focused()


def test_a_key_is_not_lost_by_a_slip(page: Page) -> None:
    """A press beside its panel, or Escape, asks first, as long as it was not copied."""
    goto(page, "keys")
    page.get_by_role("region", name="App shop").get_by_role("button", name="Issue").click()
    page.get_by_label("publish").uncheck()
    page.get_by_role("button", name="Issue", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(
        "Tick at least one thing that the key may do."
    )
    page.get_by_label("collect").check()
    page.get_by_role("button", name="Issue", exact=True).click()
    key = page.get_by_label("The new key")
    expect(key).to_be_visible()
    question = page.get_by_role("alertdialog")
    for is_pressed in (False, True):
        if is_pressed:
            page.keyboard.press("Escape")
        else:
            page.mouse.click(5, 300)
        expect(question).to_contain_text("cannot be shown again")
        question.get_by_role("button", name="Cancel").click()
        expect(key).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Key copied.")).to_be_visible()
    page.mouse.click(5, 300)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_who_could_not_sign_out_is_told(person: Person, page: Page) -> None:
    """They are signed in still."""
    goto(page, "health")
    page.route("**/auth/logout", lambda route: route.abort())
    page.get_by_label("Account").click()
    with person.forgiving("net::ERR_FAILED"):
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("Herald does not answer.")).to_be_visible()


def test_a_name_does_not_turn_around(page: Page, shop: Shop) -> None:
    """One that is written from the right to look like another is told as it is."""
    shop.publish("\u202elive\u202c")
    goto(page, "log")
    expect(page.get_by_role("row").nth(1)).to_contain_text("[U+202E]live[U+202C]")


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
