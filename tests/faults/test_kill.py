"""SIGKILL: what was answered 202 is in the log afterwards, once."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.conftest import KILLS, await_empty_spool, full_key, herald, percentiles, say
from tests.faults.kills import BETWEEN, kill_in_turn, kill_worker
from tests.services import event_log
from tests.services.ledger import Entry, Found, Ledger
from tests.services.mongod import MongoServer
from tests.services.publishers import Publishers

PUBLISHERS = 8
LOSS_SECONDS = 1.0
"""How old what is lost with ``EVENT_ACK=queued`` may be."""
MOST_LOST = 10_000
READ_SECONDS = 0.5
"""How long before a kill an answer may have been sent that is read after it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is: the settings for it, how it is reached, and what it holds."""

    environ: dict[str, str]
    reach: Callable[[], None]
    read: Callable[[Ledger], list[Found]]


@contextmanager
def sqlite(home: Path, _: MongoServer) -> Iterator[Place]:
    yield Place({}, lambda: None, lambda ledger: event_log.in_sqlite(home, ledger))


@contextmanager
def mongodb(_: Path, server: MongoServer) -> Iterator[Place]:
    server.start()
    yield Place(
        {"MONGO_URI": server.uri}, lambda: None, lambda ledger: event_log.in_mongodb(server, ledger)
    )


@contextmanager
def mongodb_down(_: Path, server: MongoServer) -> Iterator[Place]:
    yield Place(
        {"MONGO_URI": server.uri}, server.start, lambda ledger: event_log.in_mongodb(server, ledger)
    )


PLACES = {"sqlite": sqlite, "mongodb": mongodb, "mongodb down": mongodb_down}


@pytest.mark.timeout(60 + 10 * KILLS)
@pytest.mark.parametrize("place", PLACES)
def test_kill(place: str, home: Path, mongod: MongoServer) -> None:
    """Under load, again and again at moments that chance picks: nothing is lost or doubled."""
    chance, ledger = random.Random(place), Ledger()
    with PLACES[place](home, mongod) as log, herald(home, log.environ) as server:
        key = full_key(server)
        with Publishers(server.port, key, ledger, count=PUBLISHERS) as publishers:
            away = kill_in_turn(server, ledger, chance)
            publishers.stop()
        log.reach()
        verdict = ledger.settle(lambda: log.read(ledger), 20)
        served = ledger.judge(event_log.through_herald(server.url, key, ledger))
        assert server.stop() == 0
    say(
        f"{place}, the worker and everything killed in turn, {KILLS} times",
        verdict,
        f"away {percentiles(away)}",
        f"answers {percentiles(ledger.answer_times())}",
    )
    assert verdict.faults == {}
    assert verdict.refused == {}
    assert verdict.acknowledged > KILLS * BETWEEN[0]
    assert (served.faults, served.found) == ({}, verdict.found), "GET /events tells otherwise"


@pytest.mark.timeout(60 + 10 * KILLS)
def test_queued(home: Path) -> None:
    """With ``EVENT_ACK=queued`` what is lost was answered in the last moments before a kill."""
    ledger, killed_at = Ledger(), []
    with herald(home, {"EVENT_ACK": "queued"}) as server:
        key = full_key(server)
        with Publishers(server.port, key, ledger, count=PUBLISHERS) as publishers:
            for _ in range(KILLS):
                ledger.await_acknowledged(BETWEEN[1])
                killed_at.append(time.monotonic())
                kill_worker(server)
                ledger.await_acknowledged(1)
            publishers.stop()
        assert server.stop() == 0
        # On a slow disk the stop, and batches before it, have put into the spool what is not lost.
        server.start()
        await_empty_spool(home)
        verdict = ledger.settle(lambda: event_log.in_sqlite(home, ledger), 0)
        assert server.stop() == 0
    ages = [age_at_kill(ledger.entries[number], killed_at) for number in verdict.lost]
    say(f"queued, worker killed {KILLS} times", verdict, f"age of what is lost {percentiles(ages)}")
    assert verdict.faults.keys() <= {"lost"}
    assert max(ages, default=0.0) < LOSS_SECONDS, "lost, and not in the last moments before a kill"
    assert len(verdict.lost) < KILLS * MOST_LOST


def age_at_kill(entry: Entry, killed_at: list[float]) -> float:
    """Return how long before the next kill an event was answered; infinite where none came."""
    assert entry.answered_at is not None
    ages = (killed - entry.answered_at for killed in killed_at)
    return min((age for age in ages if age > -READ_SECONDS), default=float("inf"))
