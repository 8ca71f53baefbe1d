"""What a user agent says, of those that people and programs really send."""

import pytest

from webapp.collect.store.user_agents import KEPT, LONGEST, NEW_AT_ONCE, UserAgents

_MOZILLA = "Mozilla/5.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"


@pytest.mark.parametrize(
    ("text", "device", "browser", "system"),
    [
        (
            f"{_MOZILLA} (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} Version/17.5"
            " Mobile/15E148 Safari/604.1",
            "mobile",
            "Mobile Safari",
            "iOS",
        ),
        (
            f"{_MOZILLA} (iPad; CPU OS 16_6 like Mac OS X) {_SAFARI} Version/16.6 Mobile/15E148"
            " Safari/604.1",
            "tablet",
            "Mobile Safari",
            "iOS",
        ),
        (
            f"{_MOZILLA} (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36",
            "mobile",
            "Chrome Mobile",
            "Android",
        ),
        (
            f"{_MOZILLA} (Linux; Android 13; SM-X900) {_CHROME} Safari/537.36",
            "tablet",
            "Chrome",
            "Android",
        ),
        (
            f"{_MOZILLA} (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/130.0.0.0",
            "desktop",
            "Edge",
            "Windows",
        ),
        (
            f"{_MOZILLA} (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
            "desktop",
            "Firefox",
            "Linux",
        ),
        (
            f"{_MOZILLA} (Linux; Android 11; BRAVIA 4K) {_CHROME} Safari/537.36",
            "other",
            "Chrome",
            "Android",
        ),
        ("", "other", None, None),
        ("\N{SNOWMAN}", "other", None, None),
    ],
)
def test_device_browser_and_system(
    text: str, device: str, browser: str | None, system: str | None
) -> None:
    """The kind of device, the browser and the system, as far as they are told."""
    read = UserAgents().read(text, "app")
    assert (read.device, read.browser, read.os, read.is_bot) == (device, browser, system, False)


@pytest.mark.parametrize(
    ("text", "is_bot"),
    [
        (f"{_MOZILLA} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        (f"{_MOZILLA} {_CHROME} (compatible; GPTBot/1.2; +https://openai.com/gptbot)", True),
        (f"{_MOZILLA} (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0 Safari", True),
        ("python-requests/2.32.3", False),
        ("curl/8.10.1", False),
        ("axios/1.7.7", False),
        (None, False),
    ],
)
def test_bots_are_told_from_the_libraries_that_services_send_with(
    text: str | None, is_bot: bool
) -> None:
    """Who crawls is a bot; who sends hits from a server is not."""
    assert UserAgents().read(text, "app").is_bot is is_bot


def test_what_is_remembered_is_bounded() -> None:
    """However many user agents come, and however long, ten thousand beginnings are kept."""
    agents = UserAgents()
    first = agents.read("x" * LONGEST, "app")
    assert agents.read("x" * LONGEST + "tail", "app") is first
    for number in range(KEPT):
        agents._known[str(number)] = first
    assert agents.read("x" * LONGEST, "app") is not first
    assert len(agents._known) == KEPT


def test_made_up_user_agents_hold_nobody_up() -> None:
    """Of a batch of hits with one each, a few are looked at; the next batch looks at the others."""
    agents = UserAgents()
    made_up = [f"Firefox/1.{number} (X11; Linux) {'x' * 900}" for number in range(NEW_AT_ONCE + 9)]
    agents.begin_batch()
    read = [agents.read(text, "app") for text in made_up]
    assert [each.device for each in read] == ["desktop"] * NEW_AT_ONCE + ["other"] * 9
    assert agents.passed_over == 9
    assert agents.read("Firefox/2.0 (X11; Linux)", "another").device == "desktop"
    agents.begin_batch()
    assert {agents.read(text, "app").device for text in made_up} == {"desktop"}
