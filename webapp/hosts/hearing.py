"""What the hosts say comes out of the stream, and to whom it is for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logger_lib import JsonObject
from webapp.hosts.entry import (
    AliveEntry,
    AskEntry,
    Entry,
    EventEntry,
    GoneEntry,
    LiveEntry,
    MalformedEntry,
    PresenceEntry,
    TakenEntry,
    read_answer,
    read_entry,
    read_replies,
)
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.host_stream import READ_ENTRIES, HostStream, Row, began_behind
from webapp.hosts.line import PAUSE_SECONDS, Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import DEAD_SECONDS, Peers
from webapp.realtime.offsets import BEGINNING

TURN_SECONDS = 0.005
"""How long what comes in may go on before everybody else gets a turn."""

_MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Hearers:
    """Who is told of what has come. They must not wait."""

    delivered: Callable[[EventEntry, tuple[str, ...]], None]
    """Of an event of another host, and the sockets here that were given it."""
    live: Callable[[LiveEntry], None]
    taken: Callable[[TakenEntry], None]
    asked: Callable[[AskEntry], None]
    told: Callable[[str, int, JsonObject], None]
    """Of a host's answer to a question of this one."""
    presence: Callable[[PresenceEntry], None]


@dataclass(frozen=True, slots=True)
class StreamClock:
    """The clock of Redis, as it was read once: hosts need not agree with it, nor each other."""

    milliseconds: int
    read_at: float

    def at(self, monotonic: float) -> float:
        """Return what it says at this time, in milliseconds since 1970."""
        return self.milliseconds + (monotonic - self.read_at) * _MILLISECONDS


class Hearing:
    """Reads the stream and the inbox of this host.

    ``seconds`` is how much of what was said before this host began is read first.
    """

    def __init__(
        self,
        stream: HostStream,
        outbox: Outbox,
        peers: Peers,
        fan_out: HostFanOut,
        line: Line,
        *,
        hearers: Hearers,
        seconds: float,
    ) -> None:
        self._host = outbox.host
        self._stream = stream
        self._outbox = outbox
        self._peers = peers
        self._fan_out = fan_out
        self._line = line
        self._hearers = hearers
        # Who is alive has said so within that time.
        self._seconds = max(seconds, DEAD_SECONDS)
        self._epoch = ""
        """The one in which the last entry stands that was read."""

        self._began_at = time.monotonic()
        self._clock = StreamClock(0, 0.0)
        self._is_catching_up = True
        self._is_failing = False
        self._heard = BEGINNING

    def run(self) -> None:
        """Hear what all hosts say, this one too, until the end."""
        while not self._line.ending.is_set():
            try:
                self._hear()
            except Exception as error:  # noqa: BLE001  counted; without another try nothing would be heard again
                self._is_failing = True
                self._line.test.heard(anything=False)
                self._line.counters.failures += 1
                if not self._fan_out.has_joined:
                    self._line.failed(error)
                self._line.ending.wait(PAUSE_SECONDS)

    def _hear(self) -> None:
        if not self._fan_out.has_joined:
            self._join()
        if self._line.test.is_to_reconnect():
            self._line.notice.deaf()
            self._stream.reconnect()
            self._resume()
        elif self._is_failing:
            self._resume()
        read = self._stream.read()
        self._line.test.heard(anything=bool(read.rows))
        if self._is_failing:
            self._is_failing = False
            self._peers.heard_nobody()
        if not self._take_all(read.rows):
            # It is read again from where it has lost what was read.
            return
        for text in read.replies:
            self._take_replies(text)
        self._is_catching_up &= len(read.rows) >= READ_ENTRIES
        self._outbox.settle()
        self._bury()

    def _resume(self) -> None:
        """Go on after a silence: what is read next may be old, and the Redis another one."""
        self._clock = StreamClock(self._stream.now(), time.monotonic())
        self._is_catching_up = True
        self._find_place()

    def _join(self) -> None:
        """Read what was said before this host began, for clients that come back here."""
        begun = self._stream.begin(self._seconds)
        self._epoch, self._clock = begun.epoch, StreamClock(begun.now, time.monotonic())
        self._fan_out.begin(begun.epoch, begun.start)
        while rows := self._stream.load():
            self._take_all(rows)
        self._fan_out.has_joined = True
        self._line.beat_at = 0.0
        self._outbox.wake.set()
        self._line.reached()

    def _take_all(self, rows: Sequence[Row]) -> bool:
        """Do as entries say; return whether the stream goes on from there."""
        until = 0.0
        for row in rows:
            # Who comes back to a long stream would keep the loop from all else: from the answers
            # of Redis, too, which would then be taken for late.
            if time.monotonic() > until:
                time.sleep(0)
                until = time.monotonic() + TURN_SECONDS
            if not self._take(row):
                return False
        return True

    def _take(self, row: Row) -> bool:
        """Do as an entry says; return whether the stream goes on from there."""
        if row.epoch != self._epoch and not self._goes_on(row):
            return False
        try:
            entry = read_entry(row.header, row.packet)
            # What is read again has been done; events are known by their numbers.
            if row.position > self._heard or isinstance(entry, EventEntry | AliveEntry):
                self._do(entry, row)
        except MalformedEntry:
            self._line.counters.malformed += 1
        except Exception as error:  # noqa: BLE001  said; the next entry must be heard whatever this one was
            self._line.counters.undone += 1
            self._line.notice.cannot_take(error)
        self._stream.passed(row.position)
        self._heard = max(self._heard, row.position)
        return True

    def _goes_on(self, row: Row) -> bool:
        """Take note of another epoch; return whether nothing was lost of what was read before."""
        start = began_behind(row.epoch)
        if start is None or self._fan_out.knows(row.epoch):
            return True
        if start < self._stream.position and self._find_place():
            return False
        self._epoch = row.epoch
        self._fan_out.turn(row.epoch, start)
        return True

    def _find_place(self) -> bool:
        """Go back to where the stream has lost what was read; return whether it has."""
        place = self._stream.meeting(self._fan_out.knows)
        if place >= self._stream.position:
            return False
        self._heard = min(self._heard, place)
        self._fan_out.cut(place)
        self._is_catching_up = True
        self._line.counters.beginnings += 1
        self._stream.read_on_from(place)
        return True

    def _do(self, entry: Entry, row: Row) -> None:
        match entry:
            case EventEntry():
                is_older = self._clock.at(self._began_at) > row.position[0]
                if is_older and not self._fan_out.has_joined:
                    self._fan_out.load(row.position, entry)
                else:
                    sids = self._fan_out.take(row.position, entry)
                    if sids is not None:
                        self._hearers.delivered(entry, sids)
            case AliveEntry():
                self._take_beat(entry, row)
            case GoneEntry():
                self._forget(entry.host)
            case LiveEntry() if entry.host != self._host:
                self._hearers.live(entry)
            case TakenEntry() if entry.host != self._host:
                self._hearers.taken(entry)
            case AskEntry() if self._is_new(entry.host):
                self._hearers.asked(entry)
            case PresenceEntry() if entry.host != self._host and self._fan_out.has_joined:
                self._hearers.presence(entry)
            case _:
                return

    def _is_new(self, host: str) -> bool:
        """Say whether what another host asks is asked now: nobody waits for an answer for long."""
        is_reading_on = self._fan_out.has_joined and not self._is_catching_up
        return host != self._host and is_reading_on

    def _take_beat(self, entry: AliveEntry, row: Row) -> None:
        if entry.host == self._host:
            took = self._line.test.came_back(entry.beat)
            if took is not None:
                self._fan_out.prompt(took)
                self._line.notice.hears()
            return
        age = 0.0
        if self._is_catching_up:
            age = (self._clock.at(time.monotonic()) - row.position[0]) / _MILLISECONDS
        self._peers.alive(entry.host, entry.watched, max(0.0, age))

    def _take_replies(self, text: bytes) -> None:
        answer = read_answer(text)
        if answer is not None:
            self._peers.answered(answer[0])
            self._hearers.told(*answer)
            return
        try:
            host, answers = read_replies(text)
        except MalformedEntry:
            self._line.counters.malformed += 1
            return
        self._peers.answered(host)
        for number, recipients in answers.items():
            self._fan_out.answered(host, number, recipients)

    def _bury(self) -> None:
        if self._line.test.is_behind:
            # Their heartbeats stand where this host has not come to yet.
            self._peers.heard_nobody()
            return
        for host in self._peers.bury():
            self._fan_out.gone(host)
            self._line.notice.died(host)

    def _forget(self, host: str) -> None:
        self._peers.gone(host)
        self._fan_out.gone(host)
