"""The console where something is slow, fails or is typed wrong."""

import json

from playwright.sync_api import Page, expect

from logger_lib import JsonObject
from tests.console.browser.conftest import Shop, goto
from tests.services.person import Person

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
