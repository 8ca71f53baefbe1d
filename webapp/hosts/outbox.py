"""What this host has to say to the others, until the stream has it and they have answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.hosts.entry import Entry, TakenEntry, header_of, replies_text
from webapp.hosts.host_stream import Item
from webapp.hosts.own_event import OwnEvent

MAX_EVENTS = 60_000
MAX_BYTES = 96 * 1_048_576
"""What waits for Redis and for the others' answers, a minute of 1,000 small events a second; the
oldest is given up first."""

BATCH_EVENTS = 200
BATCH_BYTES = 1_048_576
"""What is appended at once, or one event or note."""

LEAST_BATCH_BYTES = 16_384
"""Down to which a batch is halved where Redis does not have it in time; up again as it has."""

WINDOW_EVENTS = 1_000
WINDOW_BYTES = 8 * 1_048_576
WINDOW_SECONDS = 1.0
"""How much the stream is given ahead of the others' answers, and for how long it waits for these:
who cannot read as fast as this host can append would find the oldest taken out."""

ANSWER_SECONDS = 10.0
"""How long an event that the stream has is kept for answers, lest the stream lose it."""

SETTLED_SECONDS = 5.0
"""How long it is kept when all have answered: a Redis that lost its last moments gets it again, for
hosts that join later."""

MAX_NOTES = 1_000
MAX_REPLIES = 10_000
"""Of other things; the oldest is left out first."""

MAX_ANSWERS = 200
ANSWER_BYTES = 1_048_576
"""Of answers to questions, and how much of them is appended at once; the newest is left out."""


@dataclass(frozen=True, slots=True)
class _Note:
    item: Item
    lasts: bool
    """Whether it is of use later on, too."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is appended next."""

    events: Sequence[OwnEvent]
    notes: Sequence[_Note]
    replies: Mapping[str, Mapping[int, int]]
    answers: Sequence[tuple[str, bytes]]
    is_last: bool
    """Whether no event is to be appended behind it at once."""

    @property
    def items(self) -> list[Item]:
        """What of it goes into the stream."""
        events = [
            Item(event.number, event.header, event.entry.packet.encode()) for event in self.events
        ]
        return events + [note.item for note in self.notes]

    def inboxes(self, host: str) -> Sequence[tuple[str, bytes]]:
        """Return what goes into which inbox."""
        replies = [(to, replies_text(host, answers)) for to, answers in self.replies.items()]
        return [*replies, *self.answers]


@dataclass(slots=True)
class OutboxCounters:
    """What became of what could not be said."""

    given_up: int = 0
    """Events that the other hosts never get, as too many waited for Redis."""
    left_out: int = 0
    """Answers, and other things than events, for which there was no room."""
    again: int = 0
    """Events that were appended again, as Redis had lost them."""
    unsaid: int = 0
    """Other things that Redis did not take, and that would be of no use later on."""


@dataclass(slots=True)
class Outbox:
    """Holds what waits, in order, and what the stream has and not all hosts have answered.

    ``wake`` is set when there is something to append.
    """

    host: str
    max_events: int = MAX_EVENTS
    max_bytes: int = MAX_BYTES
    wake: threading.Event = field(default_factory=threading.Event)
    counters: OutboxCounters = field(default_factory=OutboxCounters)
    had: int = 0
    """The number of the last event that the stream is known to have."""
    is_sure: bool = True
    """Whether it has no more than that: a batch that was not answered may be there all the same."""
    batch_bytes: int = BATCH_BYTES
    """How much is appended at once now."""
    size: int = 0
    on_given_up: Callable[[int], None] = lambda _number: None
    """Called with the number of an event that the stream is never going to have."""
    _last: int = 0
    _by_number: dict[int, OwnEvent] = field(default_factory=dict)
    _waiting: deque[OwnEvent] = field(default_factory=deque)
    _appended: deque[OwnEvent] = field(default_factory=deque)
    _settled: deque[OwnEvent] = field(default_factory=deque)
    _notes: deque[_Note] = field(default_factory=deque)
    _replies: dict[str, dict[int, int]] = field(default_factory=dict)
    _reply_count: int = 0
    _answers: deque[tuple[str, bytes]] = field(default_factory=deque)
    _is_under_way: bool = False

    @property
    def waiting(self) -> int:
        """How many events the stream has not, as far as is known."""
        return len(self._waiting)

    @property
    def notes(self) -> int:
        """How much waits beside events and answers."""
        return len(self._notes)

    @property
    def note_bytes(self) -> int:
        """How many bytes that has."""
        return sum(note.item.size for note in self._notes)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be appended, nor is being appended."""
        waits = self._waiting or self._notes or self._replies or self._answers
        return not (waits or self._is_under_way)

    def next_number(self) -> int:
        """Return the number of the next event: nobody else gets it."""
        self._last += 1
        return self._last

    def put(self, event: OwnEvent) -> None:
        """Take ``event``, whose number is the next one."""
        self._waiting.append(event)
        self._by_number[event.number] = event
        self.size += event.size
        self._make_room()
        self.wake.set()

    def find(self, number: int) -> OwnEvent | None:
        """Return an event of this host that is still here."""
        return self._by_number.get(number)

    def unsettled(self) -> list[OwnEvent]:
        """Return the events that not all have answered, in their order."""
        return [event for event in self._by_number.values() if not event.is_settled]

    def say(self, entry: Entry, packet: bytes = b"") -> None:
        """Append an entry that is none of an event: at once, or only ``TakenEntry`` later on."""
        if len(self._notes) >= MAX_NOTES:
            self._notes.popleft()
            self.counters.left_out += 1
        self._notes.append(_Note(Item(0, header_of(entry), packet), isinstance(entry, TakenEntry)))
        self.wake.set()

    def reply(self, host: str, number: int, recipients: int) -> None:
        """Answer ``host``."""
        if self._reply_count >= MAX_REPLIES:
            self._forget_replies()
        answers = self._replies.setdefault(host, {})
        answers[number] = recipients
        self._reply_count += 1
        self.wake.set()

    def answer(self, host: str, text: bytes) -> None:
        """Answer a question of ``host``."""
        if len(self._answers) >= MAX_ANSWERS:
            self.counters.left_out += 1
            return
        self._answers.append((host, text))
        self.wake.set()

    def _next_answers(self) -> Sequence[tuple[str, bytes]]:
        answers: list[tuple[str, bytes]] = []
        size = 0
        while self._answers and (not answers or size < ANSWER_BYTES):
            answers.append(self._answers.popleft())
            size += len(answers[-1][1])
        if self._answers:
            self.wake.set()
        return answers

    def _next_notes(self) -> Sequence[_Note]:
        notes: list[_Note] = []
        size = 0
        while self._notes and (not notes or size < self.batch_bytes):
            notes.append(self._notes.popleft())
            size += notes[-1].item.size
        if self._notes:
            self.wake.set()
        return notes

    def _forget_replies(self) -> None:
        self.counters.left_out += self._reply_count
        self._replies.clear()
        self._reply_count = 0

    def next_batch(self) -> Batch:
        """Return what is to be appended next; ``taken`` says that it was."""
        self.wake.clear()
        events = self._next_events()
        replies, self._replies = self._replies, {}
        self._reply_count = 0
        notes = self._next_notes()
        answers = self._next_answers()
        self._is_under_way = bool(events or replies or notes or answers)
        is_last = not events or len(events) == len(self._waiting)
        return Batch(events, notes, replies, answers, is_last)

    def _next_events(self) -> list[OwnEvent]:
        events: list[OwnEvent] = []
        size = 0
        most = min(BATCH_EVENTS, self._room())
        for event in self._waiting:
            size += event.size
            if len(events) >= most or (events and size > self.batch_bytes):
                break
            events.append(event)
        return events

    def _room(self) -> int:
        """Return how many events the stream may be given now."""
        horizon = time.monotonic() - WINDOW_SECONDS
        room, size = WINDOW_EVENTS, WINDOW_BYTES
        for event in reversed(self._appended):
            if (event.appended_at or 0.0) < horizon:
                break
            if not event.is_settled:
                room, size = room - 1, size - event.size
            if room == 0 or size <= 0:
                return 0
        return room

    def failed(self, batch: Batch) -> None:
        """Take back what was not answered in time; the next one is smaller."""
        self.batch_bytes = max(LEAST_BATCH_BYTES, self.batch_bytes // 2)
        self.is_sure = False
        self.take_back(batch)

    def take_back(self, batch: Batch) -> None:
        """Take back what was not appended, but for what is of use only at once."""
        self._is_under_way = False
        for host, answers in batch.replies.items():
            for number, recipients in answers.items():
                self.reply(host, number, recipients)
        self._notes.extendleft(note for note in reversed(batch.notes) if note.lasts)
        self.counters.unsaid += sum(not note.lasts for note in batch.notes) + len(batch.answers)

    def taken(self, had: int) -> None:
        """Take note that the stream has a batch, and all events up to number ``had``."""
        self._is_under_way = False
        self.batch_bytes = min(BATCH_BYTES, self.batch_bytes * 2)
        self.known(had)

    def known(self, had: int) -> None:
        """Take note that the stream has all events up to number ``had``, and no more."""
        self.is_sure = True
        now = time.monotonic()
        while self._waiting and self._waiting[0].number <= had:
            event = self._waiting.popleft()
            event.appended_at = now
            self._appended.append(event)
        self.had = had
        self.settle()

    def lost(self, had: int) -> None:
        """Take note that the stream has lost what it had behind number ``had``."""
        for kept in (self._appended, self._settled):
            while kept and kept[-1].number > had:
                self._waiting.appendleft(kept.pop())
                self.counters.again += 1
        self.had, self.is_sure = had, True
        self.wake.set()

    def settle(self) -> None:
        """Let go of the events that all have answered, or had their time to."""
        now = time.monotonic()
        while self._appended:
            first = self._appended[0]
            if not first.is_settled and (first.appended_at or 0.0) > now - ANSWER_SECONDS:
                break
            self._settled.append(self._appended.popleft())
        while self._settled and (self._settled[0].appended_at or 0.0) <= now - SETTLED_SECONDS:
            self._forget(self._settled)
        if self._waiting and self._room():
            self.wake.set()

    def _forget(self, kept: deque[OwnEvent]) -> OwnEvent:
        event = kept.popleft()
        del self._by_number[event.number]
        self.size -= event.size
        return event

    def _make_room(self) -> None:
        while len(self._by_number) > self.max_events or self.size > self.max_bytes:
            if self._settled:
                self._forget(self._settled)
            elif self._appended:
                self._forget(self._appended)
            elif len(self._waiting) > 1:
                self.counters.given_up += 1
                self.on_given_up(self._forget(self._waiting).number)
            else:
                return
