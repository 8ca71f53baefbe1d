"""The stream in Redis through which hosts hear each other, and the inbox of each host.

The stream holds what all are to hear, in one order for all of them; an inbox what one is answered.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis.commands.core import Script

from webapp.hosts.redis_end import ANSWER_SECONDS, Fields, RedisEnd, Rows
from webapp.hosts.stream_scripts import (
    APPEND,
    EPOCH,
    EVENTS,
    SECTION,
    SECTION_COUNT,
    SECTIONS,
    TRIM,
)
from webapp.realtime.offsets import BEGINNING, Position

SECONDS_A_MIB = 2.0
"""How much longer it may take for each MiB of them: what a line of 4 Mbit/s needs."""

WAIT_SECONDS = 0.5
"""How long a read waits for something new."""

READ_SECONDS = 1.0
"""How long the answer to a read may take, the waiting included."""

MAX_ENTRIES = 500_000
MAX_BYTES = 256 * 1_048_576
"""What the stream holds: the entries that it has been given last. Redis takes up to a fifth more
memory for them."""

OVERHEAD = 100
"""Bytes that an entry counts for beside its fields' values."""

KEPT_SECONDS = 600
"""How long it holds an event at least as it has room: so long may a host be away from Redis and
miss nothing."""

READ_ENTRIES = 100
LOADED_ENTRIES = 500

_LAST_NUMBER: Final = 2**64 - 1
"""The highest that may stand in a position."""

_END: Final = (_LAST_NUMBER, _LAST_NUMBER)
_EPOCH_TEXT: Final = re.compile("[0-9a-f]{1,16}-([0-9]{1,20})-([0-9]{1,20})")

NUMBER_SECONDS = 3_600
"""How long it is known after a host's last word which of its events the stream has."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is appended: the number of an event, 0 for all else, and its two fields."""

    number: int
    header: bytes
    packet: bytes = b""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.header) + len(self.packet)


@dataclass(frozen=True, slots=True)
class Appended:
    """What the stream says of itself."""

    had: int
    """Up to which number it has the events of this host."""


@dataclass(frozen=True, slots=True)
class Begun:
    """How the stream is when the reading begins."""

    epoch: str
    """That of its first entry that is read."""
    start: Position
    """From where on nothing is missing."""
    now: int
    """The clock of Redis, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the stream, as it stands there."""

    position: Position
    epoch: str
    header: bytes
    packet: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """What came: entries of the stream, and what stands in the inbox."""

    rows: Sequence[Row]
    replies: Sequence[bytes]


class HostStream:
    """The ends of the stream at one host; each is used by one green thread.

    Appending and reading have a connection of their own, as a read waits for what comes. Whatever
    fails raises ``RedisError``, within the time that the constants say.
    """

    kept_seconds = KEPT_SECONDS
    """How long the stream is to hold an event."""

    def __init__(self, url: str, host: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._inbox = inbox_of(host)
        self._number = f"{{herald}}:number:{host}"
        self._section_bytes = max_bytes // SECTION_COUNT
        self._writing = RedisEnd(url, ANSWER_SECONDS)
        self._reading = RedisEnd(url, READ_SECONDS)
        self._position = BEGINNING
        self._inbox_position = BEGINNING
        self._is_unsure = True

    @property
    def position(self) -> Position:
        """Up to where it was read."""
        return self._position

    def append(
        self, had: int, items: Sequence[Item], replies: Sequence[tuple[str, bytes]]
    ) -> Appended:
        """Append ``items``, and ``replies`` to the inboxes of these hosts, in one round trip.

        Nothing is appended where the stream has fewer events of this host than ``had``; events that
        it has already are left out.
        """
        told: list[str | bytes | int] = [_new_name(), had, NUMBER_SECONDS, MAX_ENTRIES]
        told += (len(items), int(self._is_unsure), self._section_bytes, SECTION_COUNT, OVERHEAD)
        for item in items:
            told += (item.number, item.header, item.packet)
        told += (text for _, text in replies)
        inboxes = [inbox_of(host) for host, _ in replies]
        keys = [EVENTS, EPOCH, self._number, SECTIONS, SECTION, *inboxes]
        # After a failure the next call has a new connection, which may be to another Redis.
        self._is_unsure = True
        append = Script(self._writing.client, APPEND)
        size = sum(item.size for item in items) + sum(len(text) for _, text in replies)
        self._writing.allow(ANSWER_SECONDS + SECONDS_A_MIB * size / 1_048_576)
        _, now_has = cast("tuple[bytes, int]", append(keys, told))
        self._is_unsure = False
        return Appended(now_has)

    def trim(self) -> None:
        """Take out what is older than ``kept_seconds``, and what has been read of the inbox."""
        self._is_unsure = True
        writing = self._writing.client
        Script(writing, TRIM)([EVENTS, SECTIONS], [self.kept_seconds])
        writing.xtrim(self._inbox, minid=_text(self._inbox_position), approximate=False)
        self._is_unsure = False

    def reconnect(self) -> None:
        """Go on by a new connection."""
        self._reading.close()

    def read_on_from(self, position: Position) -> None:
        """Read again what stands behind ``position``, and all of the inbox."""
        self._position, self._inbox_position = position, BEGINNING

    def meeting(self, knows: Callable[[str], bool]) -> Position:
        """Return up to where what was read is in the stream still.

        ``knows`` says whether the stream has been read in an epoch. What another one has begun with
        stands there instead of what was read, though its positions may be lower.
        """
        place = self._position
        while row := self._last_up_to(place):
            if knows(row.epoch):
                return row.position
            # Each step is to an earlier one, whatever somebody has written there.
            place = min(began_behind(row.epoch) or BEGINNING, _before(row.position))
        first = self._first_behind(BEGINNING)
        return self._position if first is not None and knows(first.epoch) else BEGINNING

    def _last_up_to(self, position: Position) -> Row | None:
        found = cast("Rows", self._reading.client.xrevrange(EVENTS, max=_text(position), count=1))
        rows = _rows(found)
        return rows[0] if rows else None

    def _first_behind(self, position: Position) -> Row | None:
        found = cast(
            "Rows", self._reading.client.xrange(EVENTS, min=f"({_text(position)}", count=1)
        )
        rows = _rows(found)
        return rows[0] if rows else None

    def begin(self, seconds: float) -> Begun:
        """Have the reading begin ``seconds`` ago."""
        now = self.now()
        since = (int(now - seconds * 1000), 0)
        self._position = max(since, self._taken_out())
        first = self._first_behind(self._position)
        if first is None:
            last = self._last_up_to(_END)
            self._position = BEGINNING if last is None else last.position
        epoch = self._next_epoch() if first is None else first.epoch
        return Begun(epoch, self._position, now)

    def now(self) -> int:
        """Return what the clock of Redis says, in milliseconds since 1970."""
        seconds, microseconds = self._reading.client.time()
        return seconds * 1000 + microseconds // 1000

    def _next_epoch(self) -> str:
        """Return the epoch in which the next entry will stand, unless another begins before."""
        new = f"{_new_name()}-{_text(self._position)}"
        self._reading.client.set(EPOCH, new, nx=True)
        epoch = cast("bytes | None", self._reading.client.get(EPOCH))
        return new if epoch is None else epoch.decode()

    def _taken_out(self) -> Position:
        """Return up to where the stream may have been cut."""
        first = cast("Rows", self._reading.client.xrange(EVENTS, count=1))
        return _before(_position(first[0][0])) if first else BEGINNING

    def load(self) -> Sequence[Row]:
        """Return the next of what is there already; nothing at its end. See ``read``."""
        after = f"({_text(self._position)}"
        found = cast("Rows", self._reading.client.xrange(EVENTS, min=after, count=LOADED_ENTRIES))
        return _rows(found)

    def read(self) -> Read:
        """Return what is new; nothing where nothing comes for ``WAIT_SECONDS``.

        What of the stream is not ``passed`` comes again.
        """
        found = self._reading.client.xread(
            {EVENTS: _text(self._position), self._inbox: _text(self._inbox_position)},
            count=READ_ENTRIES,
            block=int(WAIT_SECONDS * 1000),
        )
        by_stream = dict(cast("list[tuple[bytes, Rows]]", found or []))
        rows = _rows(by_stream.get(EVENTS.encode(), []))
        answers = by_stream.get(self._inbox.encode(), [])
        if answers:
            self._inbox_position = _position(answers[-1][0])
        return Read(rows, [fields[1] for _, fields in answers if fields])

    def passed(self, position: Position) -> None:
        """Go on behind ``position``: what stands there has been heard."""
        self._position = position

    def close(self) -> None:
        """Disconnect."""
        self._writing.close()
        self._reading.close()


def began_behind(epoch: str) -> Position | None:
    """Return behind which entry an epoch has begun; ``None`` where no host has begun it."""
    found = _EPOCH_TEXT.fullmatch(epoch)
    return None if found is None else (int(found[1]), int(found[2]))


def _new_name() -> str:
    return secrets.token_hex(6)


def inbox_of(host: str) -> str:
    """Return the key of the stream in which ``host`` is answered."""
    return f"{{herald}}:host:{host}"


def _rows(found: Rows) -> Sequence[Row]:
    return [_row(entry_id, fields) for entry_id, fields in found if fields]


def _row(entry_id: bytes, fields: Fields) -> Row:
    told = dict(zip(fields[::2], fields[1::2], strict=True))
    return Row(
        _position(entry_id),
        told.get(b"e", b"").decode(errors="replace"),
        told.get(b"h", b""),
        told.get(b"p", b""),
    )


def _position(entry_id: bytes) -> Position:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


def _before(position: Position) -> Position:
    """Return the highest position below: reads begin behind what they are told."""
    milliseconds, number = position
    return (milliseconds, number - 1) if number else (milliseconds - 1, _LAST_NUMBER)


def _text(position: Position) -> str:
    return f"{position[0]}-{position[1]}"
