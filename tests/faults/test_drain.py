"""SIGTERM under load: in time, in order, and with nothing lost."""

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.conftest import CROWD, await_empty_spool, full_key, herald, percentiles, say
from tests.services import event_log
from tests.services.crowd import Crowd, most_sockets
from tests.services.herald import HeraldServer
from tests.services.ledger import Ledger, judge_deliveries
from tests.services.listeners import Listeners
from tests.services.mongod import MongoServer
from tests.services.publishers import Publishers

ROOM = "ledger"
LISTENERS, PUBLISHERS = 10, 8
BEFORE = 300
IN_TIME = 10.0
GOING_AWAY = 1001


def test_a_thousand_sockets(home: Path) -> None:
    """All sockets are told and closed, what was in flight is answered, and all is in the log."""
    ledger = Ledger()
    with (
        herald(home) as server,
        Crowd(server.port, most_sockets(CROWD), server.first_key) as crowd,
    ):
        seconds, unanswered = terminate(server, ledger)
        crowd.read_until(lambda: all(m.ended for m in crowd.members), "the end of the sockets")
        ends = {(m.close_code, m.close_reason) for m in crowd.members}
        verdict = ledger.settle(lambda: event_log.in_sqlite(home, ledger), 0)
    say(f"SIGTERM with {len(crowd.members)} sockets: {seconds:.2f} s, sockets {ends}", verdict)
    assert verdict.faults == {}
    assert unanswered == []
    assert seconds < IN_TIME
    assert ends == {(GOING_AWAY, "transport close")}
    assert "Traceback" not in server.log_text()


def terminate(
    server: HeraldServer, ledger: Ledger, fault: Callable[[], None] | None = None
) -> tuple[float, list[int]]:
    """SIGTERM under load; return the time, and what was in flight then and has no answer.

    ``fault`` comes just before it.
    """
    key = full_key(server)
    with (
        Listeners(server.port, key, ledger, count=LISTENERS, room=ROOM) as listeners,
        Publishers(
            server.port, key, ledger, count=PUBLISHERS, room=ROOM, keep_alive=False
        ) as publishers,
    ):
        ledger.await_acknowledged(BEFORE)
        if fault is not None:
            fault()
        told_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(2 * IN_TIME)
        seconds = time.monotonic() - told_at
        publishers.stop()
        deliveries = judge_deliveries(ledger, listeners.sockets)
    say(f"exit code {code}", deliveries, f"answers {percentiles(ledger.answer_times())}")
    assert code == 0
    assert {"doubled", "never issued", "disordered"}.isdisjoint(deliveries.faults)
    return seconds, [e.number for e in ledger.entries if e.status is None and e.sent_at < told_at]


@pytest.mark.parametrize("locked", [False, True], ids=["file free", "file locked"])
def test_queued(locked: bool, home: Path) -> None:
    """With ``EVENT_ACK=queued`` SIGTERM loses nothing either; the spool has what SQLite has not."""
    ledger = Ledger()
    with herald(home, {"EVENT_ACK": "queued"}) as server:
        with closing(sqlite3.connect(home / "herald.db", isolation_level=None)) as other:

            def lock() -> None:
                other.execute("BEGIN IMMEDIATE")

            seconds, unanswered = terminate(server, ledger, lock if locked else None)
        if locked:
            server.start()
            await_empty_spool(home)
        verdict = ledger.settle(lambda: event_log.in_sqlite(home, ledger), 0)
    say(f"SIGTERM, queued, file {'locked' if locked else 'free'}: {seconds:.2f} s", verdict)
    assert verdict.faults == {}
    assert unanswered == []
    assert seconds < IN_TIME


@pytest.mark.parametrize("up", [True, False], ids=["mongodb", "mongodb down"])
def test_with_mongodb(up: bool, home: Path, mongod: MongoServer) -> None:
    """With MongoDB down the spool has it all at the end, and the next start writes it."""
    ledger, environ = Ledger(), {"MONGO_URI": mongod.uri}
    if up:
        mongod.start()
    with herald(home, environ) as server:
        seconds, unanswered = terminate(server, ledger)
        if not up:
            mongod.start()
            server.start()
        verdict = ledger.settle(lambda: event_log.in_mongodb(mongod, ledger), 0 if up else 15)
    say(f"SIGTERM with MongoDB {'up' if up else 'down'}: {seconds:.2f} s", verdict)
    assert verdict.faults == {}
    assert unanswered == []
    assert seconds < IN_TIME
