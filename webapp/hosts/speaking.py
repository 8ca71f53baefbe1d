"""What this host says to the others goes into the stream, all that waits at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from webapp.hosts.entry import AliveEntry, AppRoom, header_of
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.host_stream import HostStream, Item
from webapp.hosts.line import PAUSE_SECONDS, Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import BEAT_SECONDS

TRIM_SECONDS = 10.0
"""How often what is too old is taken out of the stream."""

LATE_SECONDS = 1.0
"""How much later a heartbeat is where events wait all the time."""


class Speaking:
    """Appends what is in ``outbox``, and heartbeats.

    ``watched`` tells where somebody watches what is shown live, ``None`` where too many do.
    """

    def __init__(
        self,
        stream: HostStream,
        outbox: Outbox,
        fan_out: HostFanOut,
        line: Line,
        watched: Callable[[], frozenset[AppRoom] | None],
    ) -> None:
        self._host = outbox.host
        self._stream = stream
        self._outbox = outbox
        self._fan_out = fan_out
        self._line = line
        self._watched = watched
        self._trim_at = 0.0

    def run(self) -> None:
        """Append what there is to say, all that waits at once, until the end."""
        while not self._line.ending.is_set():
            self._outbox.wake.wait(max(0.0, self._line.beat_at - time.monotonic()))
            if self._line.ending.is_set():
                return
            try:
                self._append()
            except Exception as error:  # noqa: BLE001  said; without another try nothing would go out again
                self._line.failed(error)
                self._line.ending.wait(PAUSE_SECONDS)

    def _append(self) -> None:
        if not self._outbox.is_sure:
            self._find_out()
        batch = self._outbox.next_batch()
        items, now = batch.items, time.monotonic()
        # Behind all events, so that it tells how long these take, too.
        beats = self._beats and now >= self._line.beat_at + (0.0 if batch.is_last else LATE_SECONDS)
        if beats:
            entry = AliveEntry(
                host=self._host, beat=self._line.test.next_beat, watched=self._watched()
            )
            items.append(Item(0, header_of(entry)))
        elif not items and not batch.replies and not batch.answers:
            if self._line.beat_at <= now:
                self._line.beat_at = now + PAUSE_SECONDS
            return
        had = self._outbox.had
        try:
            told = self._stream.append(had, items, batch.inboxes(self._host))
        except Exception:
            self._outbox.failed(batch)
            raise
        if told.had < had:
            self._outbox.take_back(batch)
            self._outbox.lost(told.had)
            return
        self._outbox.taken(told.had)
        self._appended(beats, now)

    def _find_out(self) -> None:
        """Ask what the stream has: it may have taken what it did not answer for in time."""
        told = self._stream.append(self._outbox.had, (), ())
        if told.had < self._outbox.had:
            self._outbox.lost(told.had)
        else:
            self._outbox.known(told.had)

    @property
    def _beats(self) -> bool:
        return self._fan_out.has_joined and not self._line.is_leaving

    def _appended(self, beats: bool, began: float) -> None:
        if self._fan_out.has_joined:
            self._line.reached()
        if beats:
            self._line.test.appended(began)
            self._line.beat_at = began + BEAT_SECONDS
        if began >= self._trim_at:
            self._trim_at = began + TRIM_SECONDS
            self._stream.trim()
