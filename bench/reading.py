"""How long a page of the log takes, for each filter of ``GET /events``.

``python -m bench.reading`` fills a SQLite log with a million events and their deliveries, and reads
the first page of each filter, and one from long ago.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from logger_lib import JsonObject, LogRecord, delivery_record, event_record
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import earliest_id, uuid7_at
from webapp.events.event_log import EventLog, Search

EVENTS = 1_000_000
BATCH = 5_000
PAGE = 100
TIMES = 9
BOUND_MS = 50.0
SPAN = timedelta(days=30)
END = datetime(2026, 10, 1, tzinfo=UTC)
BIG, SMALL = "01a200dc-06c6-74c5-8373-25b3767662b3", "01a200dc-06c7-7d10-9a0f-3d5e2b5f2a11"
SUBJECTS = ("order", "customer", "invoice", "cart")
ACTIONS = ("created", "paid", "shipped", "cancelled", "updated")
ROOMS = 10_000


@dataclass(frozen=True, slots=True)
class Timing:
    """What one filter took: the median and the worst of ``TIMES`` reads, in milliseconds."""

    name: str
    place: str
    found: int
    median_ms: float
    worst_ms: float


class Sample:
    """Events at even intervals; the same ones at every run."""

    def __init__(self, count: int) -> None:
        self._random = random.Random(4)  # noqa: S311  no secret
        self._count = count

    def batches(self) -> Iterator[list[LogRecord]]:
        """Yield all records, oldest first: each event's, and that of its delivery to one socket."""
        numbers = iter(range(self._count))
        while batch := list(islice(numbers, BATCH)):
            yield [record for number in batch for record in self._records(number)]

    def moment(self, share: float) -> datetime:
        """Return when that share of the events was published."""
        return END - SPAN * (1 - share)

    def order_id(self, number: int) -> str:
        """Return the identifier in the data of one event."""
        return str(UUID(int=random.Random(number).getrandbits(128), version=4))  # noqa: S311

    def _records(self, number: int) -> tuple[LogRecord, LogRecord]:
        at = self.moment(number / self._count)
        rooms = (
            f"customer-{self._random.randrange(ROOMS)}",
            *(["staff"] if number % 10 == 0 else []),
        )
        name = f"{self._random.choice(SUBJECTS)}.{self._random.choice(ACTIONS)}"
        if number % 10_000 == 5:
            name = "invoice.disputed"
        app = SMALL if number % 1000 == 7 else BIG
        event = event_record(
            name, self._data(number), event_id=uuid7_at(at), time=at, app=app, rooms=rooms
        )
        sid = f"{self._random.getrandbits(60):015x}"
        sent = delivery_record(name, (sid,), event_id=event.id, time=at, app=app, rooms=rooms)
        return event, replace(sent, id=uuid7_at(at))

    def _data(self, number: int) -> JsonObject:
        return {
            "orderId": self.order_id(number),
            "amount": self._random.randrange(10_000),
            "currency": "EUR",
            "email": f"user{self._random.randrange(100_000)}@example.com",
            "note": "even cheap" if number % 2 else "odd dear",
        }


def fill(home: Path, sample: Sample) -> None:
    """Write ``sample`` to the log under ``home``, as the logger would."""
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    factory.prepare()
    for batch in sample.batches():
        factory.sink.write(batch)
    factory.close()


def searches(sample: Sample, count: int) -> dict[str, Search]:
    """Return each filter and what it is combined with."""
    big, old = Search(app_id=BIG), sample.moment(0.5)
    return {
        "app": big,
        "small app": Search(app_id=SMALL),
        "all apps (shell)": Search(app_id=None),
        "event": replace(big, event="order.paid"),
        "rare event": replace(big, event="invoice.disputed"),
        "room": replace(big, room="customer-77"),
        "big room": replace(big, room="staff"),
        "since": replace(big, since=sample.moment(0.999)),
        "until": replace(big, until=old),
        "since, until": replace(big, since=old, until=old + timedelta(hours=1)),
        "q: one id": replace(big, words=(sample.order_id(count // 3),)),
        "q: a common word": replace(big, words=("paid",)),
        "q: two common words": replace(big, words=("order", "dear")),
        "q: five words": replace(big, words=("order", "paid", "order.paid", "eur", "cheap")),
        "event, room": replace(big, event="order.paid", room="staff"),
        "event, until": replace(big, event="order.paid", until=old),
        "room, q": replace(big, room="staff", words=("paid",)),
        "event, room, q, until": replace(
            big, event="order.paid", room="staff", words=("odd",), until=old
        ),
        "nothing there": replace(big, room="nobody"),
    }


def measure(home: Path, sample: Sample, count: int) -> Iterator[Timing]:
    """Yield what a page takes, for each filter: the first, and one before a tenth of all."""
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    log = EventLog(factory.create_reader())
    deep = earliest_id(int(sample.moment(0.1).timestamp() * 1000))
    for name, search in searches(sample, count).items():
        for place, before in (("first", None), ("deep", deep)):
            yield _timed(log, name, place, search, before)
    factory.close()


def _timed(log: EventLog, name: str, place: str, search: Search, before: str | None) -> Timing:
    took: list[float] = []
    found = 0
    for _ in range(TIMES):
        began = time.perf_counter()
        found = len(list(log.newest(search, before, PAGE)))
        took.append((time.perf_counter() - began) * 1000)
    return Timing(name, place, found, statistics.median(took), max(took))


def main() -> int:
    """Fill a log, print a table; 1 where a page took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--home", type=Path, help="keep the log here, and use it again")
    options = parser.parse_args()
    sample = Sample(options.events)
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        if not (home / "herald.db").exists():
            began = time.perf_counter()
            fill(home, sample)
            took = time.perf_counter() - began
            size = sum(file.stat().st_size for file in home.iterdir()) / 1e6
            print(f"{options.events} events in {took:.0f} s, {size:.0f} MB\n")  # noqa: T201
        return _report(measure(home, sample, options.events))


def _report(timings: Iterator[Timing]) -> int:
    print("| filter | page | events | median ms | worst ms |\n|---|---|--:|--:|--:|")  # noqa: T201
    slow = 0
    for each in timings:
        print(  # noqa: T201
            f"| {each.name} | {each.place} | {each.found}"
            f" | {each.median_ms:.1f} | {each.worst_ms:.1f} |"
        )
        slow += each.median_ms > BOUND_MS
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
