"""What a user agent says of who sent a hit: kind of device, browser, system, and whether a bot."""

import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from cachetools import LRUCache
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser import BasicResolver, Domain, load_lazy_builtins

LONGEST = 300
"""Characters of a user agent that are looked at: patterns take as long as it is."""

NEW_AT_ONCE = 50
"""New user agents of an app that are looked at in a batch, where an event loop waits for each: who
makes up one for each hit would have each take milliseconds. What is beyond them says nothing, as if
it were not there."""

KEPT = 10_000
"""How many user agents are remembered; the one that was not used for longest goes first."""

LONGEST_NAME = 100
"""Of a browser or a system."""

_AT_ONCE = 25
"""Patterns of one expression. One of all 1,500 takes five times as long to search."""

_SCREEN = re.compile(
    r"TV|BRAVIA|AFT[A-Z]|Roku|CrKey|Web0S|PlayStation|Xbox|Nintendo|Watch|OculusBrowser"
)
_TABLET = re.compile(r"iPad|Tablet|PlayBook|Kindle|Silk(?!.*Mobile)")
_MOBILE = re.compile(r"Mobi|iPhone|iPod|Opera Mini|Windows Phone|BlackBerry")
_DESKTOP = re.compile(r"Windows NT|Macintosh|X11|CrOS")


@dataclass(frozen=True, slots=True)
class UserAgent:
    """What is known of a user agent. ``device`` is mobile, tablet, desktop or other."""

    device: str
    browser: str | None
    os: str | None
    is_bot: bool


_ABSENT = UserAgent(device="other", browser=None, os=None, is_bot=False)


class UserAgents:
    """Reads user agents. One takes about two milliseconds the first time, and is remembered.

    For one thread: on an event loop others have their turn after each that is new.
    """

    def __init__(self, new_at_once: float = NEW_AT_ONCE) -> None:
        self._known: LRUCache[str, UserAgent] = LRUCache(KEPT)
        self._new_at_once = new_at_once
        self._new: Counter[str] = Counter()
        self.passed_over = 0
        """How many were not looked at, as their batch had too many new ones."""

    def begin_batch(self) -> None:
        """Look at new ones again, ``new_at_once`` of each app."""
        self._new.clear()

    def read(self, text: str | None, app_id: str) -> UserAgent:
        """Return what the user agent ``text`` says, which an app has sent."""
        if not text:
            return _ABSENT
        text = text[:LONGEST]
        known = self._known.get(text)
        if known is not None:
            return known
        if self._new[app_id] >= self._new_at_once:
            # Not remembered: the next batch looks at it.
            self.passed_over += 1
            return _ABSENT
        self._new[app_id] += 1
        known = self._known[text] = self._look(text)
        time.sleep(0)
        return known

    def _look(self, text: str) -> UserAgent:
        found = self._resolver(text, Domain.USER_AGENT | Domain.OS)
        return UserAgent(
            device=_device(text),
            browser=found.user_agent.family[:LONGEST_NAME] if found.user_agent else None,
            os=found.os.family[:LONGEST_NAME] if found.os else None,
            is_bot=any(bots.search(text) for bots in self._bots),
        )

    @cached_property
    def _resolver(self) -> BasicResolver:
        return BasicResolver(load_lazy_builtins())

    @cached_property
    def _bots(self) -> list["re.Pattern[str]"]:
        # Not the HTTP libraries: that is what services send hits with.
        patterns = [
            crawler["pattern"]
            for crawler in CRAWLER_USER_AGENTS_DATA
            if "http-library" not in crawler.get("tags", ())
        ]
        compiled = []
        for start in range(0, len(patterns), _AT_ONCE):
            compiled.append(re.compile("|".join(patterns[start : start + _AT_ONCE])))
            time.sleep(0)
        return compiled


def _device(text: str) -> str:
    if _SCREEN.search(text):
        return "other"
    if _TABLET.search(text):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    # Android's browsers say "Mobile" on phones alone.
    if "Android" in text:
        return "tablet"
    return "desktop" if _DESKTOP.search(text) else "other"
