"""The page and the backend of ``docs/clients/live.md``, in a browser."""

import re
import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Route

from logger_lib import JsonObject
from tests.services.chromium import chromium
from tests.services.herald import ROOT, HeraldServer, wait_until
from tests.services.node import FOLDER, install_client
from tests.services.site import Answer, Site

CLIENT = "socket.io.esm.min.js"
SECONDS = 20.0


def block(language: str) -> str:
    """Return the one block of code in ``language``."""
    text = (ROOT / "docs" / "clients" / "live.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


@pytest.fixture
def site() -> Iterator[Site]:
    """The site of the page."""
    install_client()
    with Site() as running:
        client = (FOLDER / "node_modules" / "socket.io-client" / "dist" / CLIENT).read_bytes()
        running.answers[f"/{CLIENT}"] = lambda: ("text/javascript", client)
        yield running


def backend(folder: Path) -> Flask:
    """Return the backend, whose tokens are good for two seconds."""
    short = block("python").replace('"ttl": 900', '"ttl": 2')
    assert short != block("python")
    file = folder / "backend.py"
    file.write_text(short, encoding="utf-8")
    made = runpy.run_path(str(file))["app"]
    assert isinstance(made, Flask)
    return made


def test_a_page_that_listens(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears what is published to its room, and goes on with another token when one is over."""
    with ExitStack() as stack:
        herald = stack.enter_context(HeraldServer(tmp_path / "home", {"CORS_ORIGINS": site.url}))
        monkeypatch.setenv("HERALD_URL", herald.url)
        monkeypatch.setenv("HERALD_KEY", herald.first_key)
        asking, tokens = backend(tmp_path).test_client(), 0

        def new_token() -> Answer:
            nonlocal tokens
            tokens += 1
            return "application/json", asking.get("/herald-token").data

        site.answers["/herald-token"] = new_token
        site.page = block("html").replace("https://herald.example.com", herald.url)
        page = stack.enter_context(chromium()).new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(site.url)

        def is_heard(order: str, least_tokens: int) -> bool:
            data: JsonObject = {"orderId": order}
            body: JsonObject = {"event": "order.created", "room": "orders", "data": data}
            assert herald.post("/events", body).status_code == 202
            page.evaluate("0")  # Playwright tells what the page has said when it is asked something
            return f"a new order: {order}" in heard and tokens >= least_tokens

        wait_until(lambda: is_heard("1", 1), "an event with the first token", SECONDS)
        wait_until(lambda: is_heard("1", 2), "the second token", SECONDS)
        wait_until(lambda: is_heard("2", 2), "an event with the second token", SECONDS)
        assert all(re.fullmatch("a new order: [12]", text) for text in heard), heard


@pytest.mark.parametrize("status", [None, 503])
def test_a_token_that_is_not_had_at_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    """A backend that cannot be reached, or refuses, is asked again, and the page hears events."""
    with ExitStack() as stack:
        herald = stack.enter_context(HeraldServer(tmp_path / "home", {"CORS_ORIGINS": site.url}))
        monkeypatch.setenv("HERALD_URL", herald.url)
        monkeypatch.setenv("HERALD_KEY", herald.first_key)
        asking, refused = backend(tmp_path).test_client(), 0

        def refuse(route: Route) -> None:
            nonlocal refused
            refused += 1
            if status is None:
                route.abort()
            else:
                route.fulfill(status=status, json={"error": {"code": "unavailable"}})

        site.answers["/herald-token"] = lambda: (
            "application/json",
            asking.get("/herald-token").data,
        )
        site.page = block("html").replace("https://herald.example.com", herald.url)
        page = stack.enter_context(chromium()).new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.route("**/herald-token", refuse, times=1)
        page.goto(site.url)

        def is_heard() -> bool:
            data: JsonObject = {"orderId": "1"}
            body: JsonObject = {"event": "order.created", "room": "orders", "data": data}
            assert herald.post("/events", body).status_code == 202
            page.evaluate("0")
            return "a new order: 1" in heard

        wait_until(is_heard, "an event after a token that was not had", SECONDS)
        assert refused == 1
