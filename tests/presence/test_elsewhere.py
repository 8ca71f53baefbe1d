"""What tells other hosts who comes and goes goes on, whatever fails in it."""

import threading
from contextlib import suppress

import pytest

from logger_lib import JsonObject
from tests.realtime.test_rooms import make_server
from tests.services.herald import wait_until
from webapp.presence.elsewhere import WatchedElsewhere
from webapp.presence.watching import Watching
from webapp.realtime.broadcast import Broadcasts


class FailingLine:
    """A line that fails in its own way until it is well, and ends who speaks when it is over."""

    troubles = 0
    is_well = False
    is_over = False

    def __init__(self) -> None:
        self.said: list[JsonObject] = []

    @property
    def others(self) -> frozenset[str]:
        """Name another host."""
        if self.is_over:
            raise SystemExit
        return frozenset({"there"})

    def say(self, *bodies: JsonObject) -> bool:
        """Take what is said, or fail."""
        if not self.is_well:
            raise RuntimeError("the line is no line")
        self.said.extend(bodies)
        return True


def test_a_line_that_fails_in_its_own_way_does_not_end_presence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is counted and said once, tried again, and all that was missed is told then."""
    line = FailingLine()
    elsewhere = WatchedElsewhere(Watching("here", make_server(Broadcasts()).manager), line)
    elsewhere.hear("there", {"k": "watched", "rooms": [["app", "a"]], "all": True, "anew": True})

    def run() -> None:
        with suppress(SystemExit):
            elsewhere.run()

    running = threading.Thread(target=run)
    running.start()
    try:
        wait_until(lambda: elsewhere.counters.failures >= 2, "two failures")
        line.is_well = True
        wait_until(lambda: len(line.said) >= 2, "what is told")
    finally:
        line.is_over = True
        running.join(10)
    assert {"k": "watched", "rooms": [], "all": True, "anew": True} in line.said
    whole: JsonObject = {"k": "roster", "at": ["app", "a"], "subjects": {}, "cut": False}
    assert {**whole, "part": 0, "last": True} in line.said
    said = capsys.readouterr().err
    assert said.count("cannot tell watchers") == 1
    assert "the line is no line" in said
    assert "watchers are told again" in said
