"""The pages of the documents, in a real browser."""

import re

from playwright.sync_api import Page, expect

from tests.api_docs.conftest import Documented
from tests.services.person import violations

OF_SWAGGER_UI = {"color-contrast", "heading-order", "nested-interactive", "region", "select-name"}
"""Rules of axe that the markup and the colours of Swagger UI break.

It has a main part of its own, and shows things beside it: no other can be put around them.
"""


def test_an_event_is_published_by_pressing(page: Page, documented: Documented) -> None:
    """Swagger UI opens under the pages' policy, takes a key, and its example answers 202."""
    page.goto("/api-docs")
    page.locator(".auth-wrapper .authorize").first.click()
    scheme = page.locator(".auth-container", has_text="An API key of the scope")
    scheme.locator("input").fill(documented.key)
    scheme.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()
    operation = page.locator("#operations-Events-publish_event")
    operation.locator(".opblock-summary-control").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response-col_status").last
    expect(answer).to_contain_text("202")


def test_each_page_leads_to_the_other(page: Page) -> None:
    """What sockets say and hear is beside the HTTP API, for everybody to read, and back."""
    heading = page.get_by_role("heading", level=1)
    page.goto("/api-docs/socketio")
    for name in ("connect", "join", "leave", "refresh", "herald:hit", "herald:event"):
        expect(page.locator("article code", has_text=name).first).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="HTTP").click()
    expect(page.locator("#operations-Events-publish_event")).to_be_visible()
    page.get_by_role("link", name="Socket.IO").click()
    expect(heading).to_have_text("What a socket says and hears")


def test_what_pages_load_is_kept(documented: Documented) -> None:
    """Each file that a page names is there, compressed, and kept for ever, as its address says."""
    for page in ("/api-docs", "/api-docs/socketio"):
        files = re.findall(r'(?:src|href)="(/api-docs/files/[^"]+)"', documented.get(page).text)
        assert len(files) > 1
        for file in files:
            answer = documented.get(file, Accept_Encoding="gzip")
            assert answer.status_code == 200, file
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_what_is_ours_of_the_page_of_swagger_ui(page: Page) -> None:
    """It has a language and a title, and axe finds what Swagger UI brings alone."""
    page.goto("/api-docs")
    expect(page.locator("#operations-Events-publish_event")).to_be_visible()
    assert {found.partition(":")[0] for found in violations(page)} <= OF_SWAGGER_UI
