"""No false 202: what is answered while the log takes nothing, and what a repeat of it does."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from logger_lib import JsonObject, Limits, LogRecord
from tests.faults.closed_gate import MOST, OPEN, STORED
from tests.faults.conftest import counters_of, full_key, herald, installed_loggers
from tests.logger_lib.gate import GateFactory
from tests.services.herald import HeraldServer, wait_until
from tests.services.socket_client import SocketClient
from webapp.acknowledgement import Acknowledgement
from webapp.errors import RecordLost
from webapp.events.acknowledgement import REFUSING

NAME = "closed-gate"
EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}
BATCH = 1000
BATCHES = 12
"""So many that they are more than may wait, although each finds the buffer empty when it comes."""


@contextmanager
def gated(home: Path, tmp_path: Path, ack: str) -> Iterator[tuple[HeraldServer, str]]:
    """Start a server whose one durable logger takes nothing yet."""
    installed = installed_loggers(tmp_path, {NAME: "tests.faults.closed_gate:ClosedGateFactory"})
    environ = {"EVENT_LOGGERS": NAME, "EVENT_ACK": ack, "PYTHONPATH": str(installed)}
    with herald(home, environ) as server:
        try:
            yield server, full_key(server)
        finally:
            (home / OPEN).touch()


def stored(home: Path) -> list[str]:
    """Return the names of the events of all stored records."""
    file = home / STORED
    return file.read_text().splitlines() if file.exists() else []


def test_a_repeat_asks_whether_it_is_stored(home: Path, tmp_path: Path) -> None:
    """With an ``Idempotency-Key``, a call that was sent and not stored publishes only once."""
    with gated(home, tmp_path, "stored") as (server, key), SocketClient(server.url, key) as client:

        def post(body: JsonObject) -> tuple[int, JsonObject]:
            answer = server.post("/events", body, key, **{"Idempotency-Key": "one"})
            return answer.status_code, answer.json()

        status, said = post(EVENT)
        assert status == 503
        assert "not stored yet" in str(said)
        assert post({**EVENT, "event": "order.other"})[0] == 422
        (home / OPEN).touch()
        status, said = post(EVENT)
        assert status == 202, said
        assert post(EVENT) == (202, said)
        assert stored(home) == ["order.paid", "order.paid"]
        assert server.post("/events", {"event": "last", "data": {}}, key).status_code == 202
        assert client.events_until("last") == [["order.paid", {"paymentId": "p-1"}]]


def test_batches_that_come_together(home: Path, tmp_path: Path) -> None:
    """In ``queued``, what is answered 202 has a place: of many batches at once nothing is lost."""
    body: JsonObject = {"events": [{"event": "a", "data": {}}] * BATCH}
    with gated(home, tmp_path, "queued") as (server, key):
        with ThreadPoolExecutor(BATCHES) as pool:
            posts = [pool.submit(server.post, "/events/batch", body, key) for _ in range(BATCHES)]
            answers = [post.result() for post in posts]
        taken = Counter[str]()
        for answer in answers:
            if answer.status_code == 202:
                taken.update("id" if "id" in each else "error" for each in answer.json()["results"])
        assert {answer.status_code for answer in answers} <= {202, 503}
        assert taken["id"] >= MOST
        assert any(answer.status_code == 503 for answer in answers) or taken["error"]
        (home / OPEN).touch()
        wait_until(lambda: len(stored(home)) >= taken["id"], "the records", 10)
        counters = counters_of(server, NAME)
        assert counters["dropped"] == 0
        assert counters["taken"] == taken["id"]


def test_a_loss_concerns_those_that_it_may_have_met() -> None:
    """Who publishes after another's record was lost is answered as if nothing had been."""
    factory = GateFactory(Limits(max_records=1))
    logger = factory.create_logger("test")
    acknowledgement = Acknowledgement(logger, REFUSING, stored=True)
    factory.gate.open.clear()
    before = acknowledgement.check()
    logger.log(LogRecord(event="taken", message=""))
    assert factory.gate.entered.acquire(timeout=10)
    for name in ("waits", "waits too", "finds no room"):
        logger.log(LogRecord(event=name, message=""))
    factory.gate.open.set()
    try:
        acknowledgement.confirm(before)
    except RecordLost:
        lost = True
    else:
        lost = False
    assert lost
    before = acknowledgement.check()
    logger.log(LogRecord(event="after it", message=""))
    acknowledgement.confirm(before)
    assert factory.gate.events == ["taken", "waits", "waits too", "after it"]
    assert not logger.flush(1), "flush tells everybody"
    logger.close()
