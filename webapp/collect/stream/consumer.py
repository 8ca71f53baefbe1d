"""Takes hits out of the stream: reads them, has them stored in batches, and deletes what is stored.

What is read stays in Redis until it is in the database. So a consumer may end at any moment: those
who live take over what it had, and a hit that was stored twice is one.
"""

import sys
import time
from collections.abc import Container, Sequence
from dataclasses import replace

from redis.exceptions import RedisError

from logger_lib import Counters, Limits
from logger_lib.notice import Notice, reason_of
from logger_lib.pipeline.backoff import Breaker
from logger_lib.pipeline.delivery import Destination
from logger_lib.pipeline.pipeline import Pipeline
from webapp.collect.hit import Hit
from webapp.collect.stream.hit_stream import HIT
from webapp.collect.stream.stream_group import DeadLetter, Entry, StreamGroup
from webapp.collect.stream.stream_writer import StreamWriter, Taken

IDLE_SECONDS = 30.0
"""How long ago an entry was given to a consumer that is taken for dead."""

READ_ENTRIES = 100
"""Read at once: with the largest of hits, 50 MB."""

WAIT_SECONDS = 0.5
"""How long a look for new entries waits for one."""

PAUSE_SECONDS = 0.05
"""How often it is looked whether there is room again."""

FLUSH_SECONDS = 3.0
"""How long the end waits for what was read to be stored; the rest stays in Redis."""

_BATCHES_AHEAD = 4
_ENTRY_BYTES = 1000
_BYTES_OF_TEXT = 4
"""An entry's text is in memory as it came, as a hit, and as what its metadata is made of."""


class WorkerNotice(Notice):
    """Says what happens to a consumer, each thing once an outage."""

    def __init__(self) -> None:
        super().__init__("Herald collect worker")

    def cannot_write(self, error: BaseException, fate: str = "hits wait in Redis") -> None:  # noqa: ARG002  nothing fails here
        """Say why hits cannot be stored just now."""
        super().cannot_write(error, "hits wait in Redis until it can")

    def closed_early(self, logger: str, lost: int) -> None:  # noqa: ARG002  there is one
        """Say how many hits were read, and are not stored."""
        self._say("closed", f"ends while {lost} hits wait: they stay in Redis for the next one")

    def cannot_read(self, error: BaseException) -> None:
        """Say why nothing comes out of Redis."""
        self._say("cannot read", f"cannot read from Redis: {reason_of(error)}; it goes on trying")

    def reads(self) -> None:
        """Say that Redis is back, where it was said that it is not."""
        self._over("cannot read", "reads from Redis again")


class _TakenForm:
    """What was taken, as an item of a pipeline."""

    def text_bytes(self, item: Taken, size: int) -> int:  # noqa: ARG002  its size tells
        """Return how much of ``size`` is text."""
        return size // _BYTES_OF_TEXT

    def encode(self, item: Taken) -> str:
        """Return the hit as JSON."""
        return item.hit.to_json()

    def decode(self, text: str) -> Taken:
        """Raise: what is read again is read from the stream."""
        raise ValueError(text)


class Consumer:
    """Reads as a member of ``group`` and has ``store`` store, until it is told to stop.

    It reads no more than its buffer holds, and nothing while the database is out of reach.
    """

    def __init__(
        self,
        group: StreamGroup,
        store: Destination[Hit],
        limits: Limits,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._group = group
        self._idle = idle
        self._held: set[bytes] = set()
        self._notice = WorkerNotice()
        self._writer = StreamWriter(store, group, self._held, self._notice)
        self.counters = Counters()
        self._pipeline = Pipeline(
            self._writer,
            _TakenForm(),
            name="herald-collect-worker",
            counters=self.counters,
            notice=self._notice,
            limits=replace(
                limits,
                # What a batch waits for is an outage, or a hit that ``StreamWriter`` finds.
                attempts=sys.maxsize,
                max_records=max(READ_ENTRIES, _BATCHES_AHEAD * limits.max_batch),
            ),
        )
        self._breaker = Breaker(1, limits.first_pause, limits.longest_pause)
        self._stopping = False
        self._take_over_at = 0.0
        self.taken_over = 0
        """How many entries of others were read again."""

    @property
    def buried(self) -> int:
        """How many entries became dead letters."""
        return self._writer.buried

    def stop(self) -> None:
        """Have ``run`` end. Can be called by the handler of a signal."""
        self._stopping = True

    def run(self) -> None:
        """Read until it is told to stop; then store what was read, in 3 s, and leave the group."""
        while not self._stopping:
            try:
                self._turn()
            except RedisError as error:
                self._breaker.failed()
                self._notice.cannot_read(error)
                self._pause(self._breaker.pause)
            else:
                self._breaker.succeeded()
                self._notice.reads()
        self._pipeline.flush(FLUSH_SECONDS)
        self._pipeline.close(0.0)
        self._leave()

    def _turn(self) -> None:
        if self._writer.is_failing:
            self._pause(PAUSE_SECONDS)
            return
        left = self._left_by_others()
        suspects = self._group.suspects_among(left)
        new = self._group.read(READ_ENTRIES, 0.0 if left else WAIT_SECONDS)
        self._take(left + new, suspects)

    def _left_by_others(self) -> list[Entry]:
        if time.monotonic() < self._take_over_at:
            return []
        found = self._group.take_over(READ_ENTRIES, self._idle)
        if self._group.has_seen_all:
            self._take_over_at = time.monotonic() + self._idle / 2
            self._group.forget_the_gone()
        # What is held here waits for the database for so long.
        entries = [entry for entry in found if entry.id not in self._held]
        self.taken_over += len(entries)
        return entries

    def _take(self, entries: Sequence[Entry], suspects: Container[bytes]) -> None:
        odd: list[DeadLetter] = []
        for entry in entries:
            if not entry.fields:
                # Somebody has deleted it.
                self._group.stored([entry.id])
                continue
            try:
                hit = Hit.from_json(entry.fields[HIT].decode())
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                odd.append(DeadLetter(*entry, f"it is no hit: {reason_of(error)}"))
                continue
            if not self._has_room():
                # Who takes it over is not this one.
                break
            self._held.add(entry.id)
            self._pipeline.put(
                Taken(entry, hit, entry.id in suspects),
                _ENTRY_BYTES + _BYTES_OF_TEXT * len(entry.fields[HIT]),
            )
        self._writer.bury(odd)

    def _has_room(self) -> bool:
        """Wait for room in the buffer; say whether there is, as the end may come before."""
        while not self._pipeline.accepts():
            if self._stopping:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SECONDS))

    def _leave(self) -> None:
        try:
            if not self._breaker.failures:
                # What is held still has not ended this one, whatever the next one makes of it.
                self._group.end_alone(*list(self._held))
                self._group.leave()
        except RedisError as error:
            self._notice.cannot_read(error)
