"""How the line to the other hosts is just now: what who writes and who reads both look at."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.notice import HostNotice
from webapp.hosts.outbox import Outbox
from webapp.hosts.self_test import SelfTest

PAUSE_SECONDS = 0.5
"""How long Redis is left alone after it did not answer."""


@dataclass(slots=True)
class LineCounters:
    """What went wrong on the line."""

    failures: int = 0
    """How often Redis did not answer in time, or refused."""
    malformed: int = 0
    """Entries that no host of this version has written."""
    undone: int = 0
    """Entries that failed here: an event of these did not come to the sockets here."""
    beginnings: int = 0
    """How often the stream had lost what was read: so may be what is of use only at once."""


class Line:
    """The state of the line of one host."""

    def __init__(self, outbox: Outbox, fan_out: HostFanOut) -> None:
        self._outbox = outbox
        self._fan_out = fan_out
        self.notice = HostNotice()
        self.test = SelfTest()
        self.is_leaving = False
        """Whether the others have been told, or are about to be, that this host is gone."""
        self.ending = threading.Event()
        self.beat_at = 0.0
        """When the next heartbeat is due; monotonic seconds."""
        self.out_since: datetime | None = None
        """Since when Redis does not answer; ``None`` where it does."""
        self.counters = LineCounters()

    @property
    def is_out_of_reach(self) -> bool:
        """Whether Redis has not answered the last time."""
        return self.out_since is not None

    def failed(self, error: Exception) -> None:
        """Take note that Redis does not answer, or refuses."""
        self.counters.failures += 1
        if self.out_since is None:
            self.out_since = datetime.now(UTC)
        self._fan_out.late()
        self.notice.out_of_reach(error)
        if self._outbox.counters.given_up:
            self.notice.gave_up(self._outbox.counters.given_up)

    def reached(self) -> None:
        """Take note that Redis answers."""
        if self.out_since is not None:
            self.out_since = None
            self.beat_at = 0.0
            self._fan_out.in_reach()
            self.notice.in_reach()
