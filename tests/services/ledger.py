"""Who published what, and what became of it: nothing acknowledged may be lost, doubled or changed.

After the oracle of Vector's tests: whoever publishes takes a number first and notes the answer; a
judge reads back what the log holds and what the sockets got. What nobody acknowledged may be in the
log or not, but never twice, and never what nobody has issued.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from logger_lib import JsonObject, uuid7

POLL_SECONDS = 0.1


@dataclass(slots=True)
class Entry:
    """One event: when it was sent, and what was answered; no status: nothing was."""

    number: int
    publisher: int
    sent_at: float
    status: int | None = None
    answered_at: float | None = None
    event_id: str = ""
    recipients: int = 0
    unreached: tuple[str, ...] = ()
    """The hosts that had not answered by then."""
    retry_after: str = ""
    said: str = ""
    """What a refusal says."""

    @property
    def acknowledged(self) -> bool:
        """Whether the server has taken responsibility."""
        return self.status == 202


@dataclass(frozen=True, slots=True)
class Found:
    """One record in a log, as it was read past Herald."""

    id: str
    event_id: str
    fields: JsonObject
    recipients: int
    """Of a record of deliveries; 0: the event's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the log holds of what was issued; the tuples are numbers of events."""

    issued: int
    acknowledged: int
    refused: Mapping[int, int]
    """How many by status."""
    unanswered: int
    found: int
    lost: tuple[int, ...]
    """Acknowledged and not there."""
    doubled: tuple[int, ...]
    altered: tuple[int, ...]
    """There with other data than was sent, or under another id than was answered."""
    foreign: tuple[str, ...]
    """Record ids of what nobody has issued."""
    deliveries_lost: tuple[int, ...]
    """Acknowledged with recipients, and no record names as many."""
    deliveries_doubled: tuple[int, ...]

    @property
    def faults(self) -> dict[str, int]:
        """How many of each kind that must not be; empty where all is as promised."""
        kinds = {
            "lost": self.lost,
            "doubled": self.doubled,
            "altered": self.altered,
            "never issued": self.foreign,
            "deliveries lost": self.deliveries_lost,
            "deliveries doubled": self.deliveries_doubled,
        }
        return {name: len(numbers) for name, numbers in kinds.items() if numbers}

    def __str__(self) -> str:
        refused = ", ".join(f"{count} x {status}" for status, count in sorted(self.refused.items()))
        return (
            f"issued {self.issued}, acknowledged {self.acknowledged}, refused {refused or 0}, "
            f"unanswered {self.unanswered}; found {self.found}, lost {len(self.lost)}, "
            f"doubled {len(self.doubled)}, altered {len(self.altered)}, "
            f"never issued {len(self.foreign)}, deliveries lost {len(self.deliveries_lost)}, "
            f"doubled {len(self.deliveries_doubled)}"
        )


class Ledger:
    """The book of one test; ``size`` is about how many bytes each event's data has."""

    def __init__(self, size: int = 200) -> None:
        self.event = f"ledger.{uuid7()}"
        """What its events are called: no other ledger's are."""

        self.entries: list[Entry] = []
        self.acknowledged = 0
        self.refused = 0
        self._size = size
        self._changed = threading.Condition()

    def issue(self, publisher: int) -> Entry:
        """Enter one more event, which is about to be sent."""
        with self._changed:
            entry = Entry(len(self.entries), publisher, time.monotonic())
            self.entries.append(entry)
            return entry

    def data_of(self, entry: Entry) -> JsonObject:
        """Return the data of an event: its number says all of it."""
        line = hashlib.sha256(b"%d" % entry.number).hexdigest()
        text = (line * (self._size // len(line) + 1))[: self._size]
        return {"n": entry.number, "publisher": entry.publisher, "text": text}

    def answered(self, entry: Entry, status: int, body: bytes, retry_after: str = "") -> None:
        """Note the answer to an event."""
        answer = json.loads(body) if status == 202 else {}
        with self._changed:
            entry.answered_at = time.monotonic()
            entry.retry_after = retry_after
            entry.event_id = str(answer.get("id", ""))
            entry.recipients = int(answer.get("recipients", 0))
            entry.unreached = tuple(answer.get("unreached", ()))
            entry.status = status
            if entry.acknowledged:
                self.acknowledged += 1
            else:
                self.refused += 1
                entry.said = body.decode(errors="replace")
            self._changed.notify_all()

    def await_acknowledged(self, more: int, seconds: float = 15.0) -> None:
        """Return when ``more`` events than now are acknowledged."""
        with self._changed:
            wanted = self.acknowledged + more
            came = self._changed.wait_for(lambda: self.acknowledged >= wanted, seconds)
            assert came, f"only {self.acknowledged} of {wanted} events acknowledged; {self}"

    def await_refused(self, more: int, seconds: float = 15.0) -> None:
        """Return when ``more`` events than now are refused."""
        with self._changed:
            wanted = self.refused + more
            came = self._changed.wait_for(lambda: self.refused >= wanted, seconds)
            assert came, f"only {self.refused} of {wanted} events refused; {self}"

    def answer_times(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Return how many seconds the answers took to what was sent in this time."""
        return [
            entry.answered_at - entry.sent_at
            for entry in self.entries
            if entry.answered_at is not None and since <= entry.sent_at < until
        ]

    def judge(self, log: Iterable[Found]) -> Verdict:
        """Compare with what was found in the log."""
        events, deliveries, foreign, altered = self._assign(log)
        acknowledged = [entry for entry in self.entries if entry.acknowledged]
        numbers = {entry.event_id: entry.number for entry in acknowledged}
        delivered = Counter(
            numbers[record.event_id] for record in deliveries if record.event_id in numbers
        )
        told = {record.event_id: record.recipients for record in deliveries}
        return Verdict(
            issued=len(self.entries),
            acknowledged=len(acknowledged),
            refused=Counter(
                entry.status
                for entry in self.entries
                if entry.status is not None and not entry.acknowledged
            ),
            unanswered=sum(entry.status is None for entry in self.entries),
            found=len(events),
            lost=tuple(entry.number for entry in acknowledged if entry.number not in events),
            doubled=tuple(number for number, count in events.items() if count > 1),
            altered=tuple(altered),
            foreign=tuple(foreign),
            deliveries_lost=tuple(
                entry.number
                for entry in acknowledged
                if entry.recipients and told.get(entry.event_id) != entry.recipients
            ),
            deliveries_doubled=tuple(n for n, count in delivered.items() if count > 1),
        )

    def _assign(
        self, log: Iterable[Found]
    ) -> tuple[Counter[int], list[Found], list[str], list[int]]:
        """Return events by number, records of deliveries, what is foreign, what was changed."""
        events: Counter[int] = Counter()
        deliveries, foreign, altered = [], [], []
        for record in log:
            if record.recipients:
                deliveries.append(record)
                continue
            number = record.fields.get("n")
            if not isinstance(number, int) or not 0 <= number < len(self.entries):
                foreign.append(record.id)
                continue
            entry = self.entries[number]
            events[number] += 1
            is_as_answered = not entry.acknowledged or entry.event_id == record.id
            if record.fields != self.data_of(entry) or not is_as_answered:
                altered.append(number)
        return events, deliveries, foreign, altered

    def settle(self, read: Callable[[], Sequence[Found]], seconds: float = 15.0) -> Verdict:
        """Judge again and again, until nothing is missing or nothing more came for ``seconds``."""
        least, deadline = None, time.monotonic() + seconds
        while True:
            began = time.monotonic()
            verdict = self.judge(read())
            missing = verdict.lost + verdict.deliveries_lost
            if least is None or missing < least:
                least, deadline = missing, time.monotonic() + seconds
            if not missing or time.monotonic() > deadline:
                return verdict
            # To read all of it again and again would hold up whoever is still writing it.
            time.sleep(max(POLL_SECONDS, time.monotonic() - began))

    def __str__(self) -> str:
        last = Counter(entry.status for entry in self.entries[-50:])
        return f"{len(self.entries)} issued, the last 50 by status: {dict(last)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryVerdict:
    """What sockets that were connected all the time have got."""

    sockets: int
    delivered: int
    missing: int
    """Acknowledged and not delivered, over all sockets."""
    doubled: int
    disordered: int
    """Sockets that got the events of one publisher in another order than they were published."""
    foreign: int

    @property
    def faults(self) -> dict[str, int]:
        """How many of each kind that must not be."""
        kinds = {
            "missing": self.missing,
            "doubled": self.doubled,
            "disordered": self.disordered,
            "never issued": self.foreign,
        }
        return {name: count for name, count in kinds.items() if count}

    def __str__(self) -> str:
        return (
            f"{self.sockets} sockets, {self.delivered} deliveries, missing {self.missing}, "
            f"doubled {self.doubled}, out of order at {self.disordered} sockets, "
            f"never issued {self.foreign}"
        )


@dataclass(slots=True)
class Arrivals:
    """What one socket has got: numbers of events and when each came."""

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def judge_deliveries(ledger: Ledger, sockets: Collection[Arrivals]) -> DeliveryVerdict:
    """Compare what each of ``sockets`` got with what was acknowledged."""
    acknowledged = {entry.number for entry in ledger.entries if entry.acknowledged}
    known = len(ledger.entries)
    missing = doubled = disordered = foreign = 0
    for socket in sockets:
        counts = Counter(socket.numbers)
        missing += len(acknowledged - counts.keys())
        doubled += sum(count - 1 for count in counts.values())
        foreign += sum(number >= known for number in counts)
        disordered += not _in_order(ledger, socket)
    return DeliveryVerdict(
        sockets=len(sockets),
        delivered=sum(len(socket.numbers) for socket in sockets),
        missing=missing,
        doubled=doubled,
        disordered=disordered,
        foreign=foreign,
    )


def _in_order(ledger: Ledger, socket: Arrivals) -> bool:
    """Say whether the events of each publisher came in its order; it waits for each answer."""
    last: dict[int, int] = {}
    for number in socket.numbers:
        if number < len(ledger.entries):
            publisher = ledger.entries[number].publisher
            if number < last.get(publisher, -1):
                return False
            last[publisher] = number
    return True


def delivery_times(
    ledger: Ledger,
    sockets: Iterable[Arrivals],
    since: float = 0.0,
    until: float = float("inf"),
) -> list[float]:
    """Return how many seconds each delivery took of what was sent in this time."""
    return [
        at - sent_at
        for socket in sockets
        for number, at in zip(socket.numbers, socket.times, strict=True)
        if since <= (sent_at := ledger.entries[number].sent_at) < until
    ]


def share(values: Iterable[float], part: float) -> float:
    """Return the value that ``part`` of ``values`` do not exceed (0.99: the p99); 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
