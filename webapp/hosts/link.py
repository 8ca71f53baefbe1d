"""The line of this host to the others, as the rest of Herald sees it."""

from __future__ import annotations

import time

from logger_lib import JsonObject
from webapp.errors import Unavailable
from webapp.hosts.answers import Answers
from webapp.hosts.entry import GoneEntry
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.line import Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers

STEP_SECONDS = 0.01


class HostLink:
    """Says whether the line is well, and ends it in order."""

    def __init__(
        self, outbox: Outbox, peers: Peers, fan_out: HostFanOut, line: Line, answers: Answers
    ) -> None:
        self.host = outbox.host
        self._outbox = outbox
        self._peers = peers
        self._fan_out = fan_out
        self._line = line
        self._answers = answers

    def check(self) -> None:
        """Raise ``Unavailable`` where this host is deaf, or has not joined the others yet.

        Redis out of reach is no reason: it is out of all hosts' reach, as a rule.
        """
        if self._line.is_out_of_reach:
            return
        if not self._fan_out.has_joined:
            raise Unavailable("joining: reads what the other hosts have published")
        if self._line.test.is_deaf:
            raise Unavailable(
                "deaf: what this host says to all does not come back to it; it reads Redis by a new"
                " connection"
            )

    def seen(self) -> JsonObject:
        """Return what is known of the hosts, for who asks whether Herald is well."""
        told: JsonObject = {
            "id": self.host,
            "state": self._state(),
            "others": len(self._peers),
            "waiting": self._outbox.waiting,
            "givenUp": self._outbox.counters.given_up,
            "missed": self._fan_out.counters.missed,
            "unreached": self._fan_out.counters.unreached,
            "early": self._fan_out.counters.early,
            "failures": self._line.counters.failures,
            "malformed": self._line.counters.malformed,
            "undone": self._line.counters.undone,
            "leftOut": self._outbox.counters.left_out,
            "unsaid": self._outbox.counters.unsaid,
            "withheld": self._answers.withheld,
            "again": self._outbox.counters.again,
            "beginnings": self._line.counters.beginnings,
            "died": self._peers.died,
        }
        if self._line.out_since is not None:
            told["since"] = self._line.out_since.isoformat()
        return told

    def _state(self) -> str:
        if self._line.is_out_of_reach:
            return "out of reach"
        if not self._fan_out.has_joined:
            return "joining"
        if self._line.test.is_deaf:
            return "deaf"
        return "catching up" if self._line.test.is_behind else "ok"

    def flush(self, timeout: float) -> bool:
        """Have what waits appended within ``timeout`` seconds; say whether all is."""
        deadline = time.monotonic() + timeout
        while not self._outbox.is_empty and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
        return self._outbox.is_empty

    def close(self, timeout: float) -> None:
        """Tell the others that this host is gone, and end within ``timeout`` seconds."""
        # A heartbeat behind it would be one of a host that is gone.
        self._line.is_leaving = True
        self._outbox.say(GoneEntry(host=self.host))
        if not self._line.is_out_of_reach:
            self.flush(timeout)
        self._line.ending.set()
        self._outbox.wake.set()
        self._line.notice.ends(self._outbox.waiting)
