"""The line of this host to the others, as the rest of Herald sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from webapp.errors import Unavailable
from webapp.hosts.answers import Answers
from webapp.hosts.entry import GoneEntry
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.line import Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers

STEP_SECONDS = 0.01

OUT_OF_REACH, JOINING, DEAF, CATCHING_UP, OK = (
    "out of reach",
    "joining",
    "deaf",
    "catching up",
    "ok",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """How the line is, and what went wrong since the process started; see the counters' classes."""

    STATES: ClassVar = (OK, CATCHING_UP, JOINING, DEAF, OUT_OF_REACH)

    state: str
    """One of ``STATES``."""
    out_since: datetime | None
    """Since when Redis does not answer; ``None`` where it does."""
    others: int
    died: int
    waiting: int
    outbox_bytes: int
    max_bytes: int
    given_up: int
    left_out: int
    again: int
    missed: int
    unreached: int
    early: int
    failures: int
    malformed: int
    undone: int
    unsaid: int
    withheld: int
    beginnings: int


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

    def status(self) -> HostStatus:
        """Return what is known of the hosts."""
        outbox, fan_out, line = self._outbox, self._fan_out, self._line
        return HostStatus(
            state=self._state(),
            out_since=line.out_since,
            others=len(self._peers),
            died=self._peers.died,
            waiting=outbox.waiting,
            outbox_bytes=outbox.size,
            max_bytes=outbox.max_bytes,
            given_up=outbox.counters.given_up,
            left_out=outbox.counters.left_out,
            again=outbox.counters.again,
            missed=fan_out.counters.missed,
            unreached=fan_out.counters.unreached,
            early=fan_out.counters.early,
            failures=line.counters.failures,
            malformed=line.counters.malformed,
            undone=line.counters.undone,
            unsaid=outbox.counters.unsaid,
            withheld=self._answers.withheld,
            beginnings=line.counters.beginnings,
        )

    def _state(self) -> str:
        if self._line.is_out_of_reach:
            return OUT_OF_REACH
        if not self._fan_out.has_joined:
            return JOINING
        if self._line.test.is_deaf:
            return DEAF
        return CATCHING_UP if self._line.test.is_behind else OK

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
