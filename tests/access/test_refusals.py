"""Refused calls in the audit trail: each once, with who and whence, and never a flood of them."""

import time
from collections.abc import Iterator

import pytest
import requests
from flask import Flask
from limits import RateLimitItemPerMinute
from socketio.exceptions import ConnectionError as CannotConnect

from logger_lib import JsonObject, LogQuery, LogRecord
from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.access.conftest import Clock, Nobody
from tests.services.herald import HeraldServer, wait_until
from tests.services.socket_client import SocketClient
from tests.web.conftest import stored_log
from webapp.access import refusals as refusals_module
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.rate_limits import Kind, RateLimits
from webapp.access.refusals import Refusals, RefusedCall
from webapp.access.scopes import Scope
from webapp.audit import Action, AuditTrail
from webapp.errors import TooManyRequests

EVENT: JsonObject = {"event": "a", "data": {}}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server of the test's own: its trail is bounded by the minute."""
    with HeraldServer(tmp_path_factory.mktemp("audited")) as started:
        yield started


def trail(server: HeraldServer, least: int) -> list[LogRecord]:
    """Return the refusals that the log has, oldest first, as soon as there are so many."""
    query = LogQuery(event="audit.call_refused", limit=100)
    with stored_log({"HERALD_HOME": str(server.home)}) as log:
        wait_until(lambda: len(log.read(query)) >= least, f"{least} records")
        return sorted(log.read(query), key=lambda record: record.id)


def test_who_was_refused_what(server: HeraldServer) -> None:
    """A bad key, a key without the scope and a refused socket are written down; good calls not."""
    reader = server.issue_key(Scope.READ, app="reader")
    assert server.post("/events", EVENT).status_code == 202
    assert server.post("/events", EVENT, "herald_forged").status_code == 401
    assert server.post("/events", EVENT, reader).status_code == 403
    assert requests.get(server.url + "/events?q=secret", timeout=10).status_code == 401
    with pytest.raises(CannotConnect):
        SocketClient(server.url, "herald_forged")
    records = trail(server, 4)
    (key,) = [
        line.split()[0] for line in server.command("keys", "list").splitlines() if "reader" in line
    ]
    assert [record.fields for record in records] == [
        {"who": who, "address": "127.0.0.1", "status": status, "where": where, "leftOutBefore": 0}
        for who, status, where in [
            ("", 401, "POST /events"),
            (key, 403, "POST /events"),
            ("", 401, "GET /events"),
            ("", 401, "socket connect"),
        ]
    ]
    assert all(record.app is None for record in records)
    assert "forged" not in str(records)


def test_a_flood_of_refusals(server: HeraldServer) -> None:
    """Of the refusals of an address ten a minute are written, whatever it sends."""
    began = time.monotonic()
    for _ in range(60):
        assert server.post("/events", EVENT, "herald_forged").status_code == 401
    assert time.monotonic() - began < 50, "the machine is too slow for this test"
    assert server.post("/events", EVENT).status_code == 202
    assert len(trail(server, 10)) == 10


def test_what_is_left_out_is_counted(
    gate: Gate, keys: ApiKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bounds for one address and for all, refusals are counted; the next tells of it."""
    del keys
    monkeypatch.setattr(refusals_module, "OF_ALL", RateLimitItemPerMinute(12))
    log = MemoryLoggerFactory()
    rates = {Kind.REFUSED: RateLimitItemPerMinute(30)}
    limits = RateLimits(
        Flask("app"),
        rates,
        gate=gate,
        rules={},
        sizes={},
        redis_url=None,
        caller=Nobody(),
    )
    refusals = Refusals(AuditTrail(log.create_logger("events")), gate, limits, clock)

    def refuse(address: str, status: int = 401) -> None:
        refusals.note(RefusedCall(status, address, "POST /events", "herald_forged"))

    for _ in range(20):
        refuse("198.51.100.1")
    assert (len(log.records), refusals.left_out) == (10, 10)
    for number in range(5):
        refuse(f"198.51.100.{number + 2}")
    assert (len(log.records), refusals.left_out) == (12, 13)
    refuse("198.51.100.9", 422)
    refuse("198.51.100.9", 503)
    assert (len(log.records), refusals.left_out) == (12, 13)
    clock.now += 60
    refuse("198.51.100.1")
    assert log.records[-1].fields["leftOutBefore"] == 3
    for _ in range(20):
        refuse("198.51.100.1")
    sign_in = RefusedCall(
        403, "198.51.100.1", "POST /auth/login", None, Action.SIGN_IN_REFUSED, {"why": "over"}
    )
    assert refusals.note(sign_in)
    assert log.records[-1].event == "audit.sign_in_refused"
    clock.now += 60
    # Each was counted by the limit, which 30 of them reach.
    for _ in range(9):
        refuse("198.51.100.1")
    with pytest.raises(TooManyRequests):
        limits.check_key("198.51.100.1", "herald_forged")
    limits.check_key("198.51.100.2", "herald_forged")
    limits.check_key("198.51.100.1", None)
