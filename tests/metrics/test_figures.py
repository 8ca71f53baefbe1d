"""What ``/metrics`` tells: read before and after something happens, on a real server."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from logger_lib import JsonObject, uuid7
from tests.services.figures import ACCEPT_OF_PROMETHEUS, READ_SECONDS, Growth, Scraped
from tests.services.herald import HeraldServer, free_port, wait_until
from tests.services.socket_client import SocketClient
from tests.services.sockets import RawWebSocket
from webapp.access.scopes import Scope

TOKEN = "a-token-of-prometheus"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
EVENT_BYTES = 65_536
GUESSES = 20
MOST_EVENTS = 400
"""The kernel keeps some MiB for a socket before anything waits."""


@pytest.fixture(scope="module")
def key(herald: HeraldServer) -> str:
    """A key of an app of these tests' own."""
    return herald.issue_key(*Scope, app="figures")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server without its MongoDB, with short queues, whose figures need a token."""
    environ = {
        "MONGO_URI": f"mongodb://127.0.0.1:{free_port()}/herald",
        "EVENT_LOGGERS": "sql,mongodb",
        "SOCKET_QUEUE_BYTES": "1024",
        "METRICS_TOKEN": TOKEN,
        "RATE_LIMIT_REFUSED": f"{GUESSES}/hour",
    }
    with HeraldServer(tmp_path_factory.mktemp("troubled"), environ) as server:
        yield server


def health_of(server: HeraldServer) -> JsonObject:
    """Return what ``/health/ready`` says."""
    told: JsonObject = requests.get(f"{server.url}/health/ready", timeout=READ_SECONDS).json()
    return told


def test_publishing(herald: HeraldServer, key: str) -> None:
    """An event, its deliveries and its records are counted, and so are sockets and rooms."""
    grown = Growth(herald)
    with SocketClient(herald.url, key, "metrics"), SocketClient(herald.url, key, "metrics"):
        event: JsonObject = {"event": "order.created", "room": "metrics", "data": {"orderId": "o"}}
        assert herald.post("/events", event, key).status_code == 202
        assert grown.of("herald_sockets") == 2
        assert grown.of("herald_rooms") == 1
        sockets = health_of(herald)["sockets"]
        assert isinstance(sockets, dict)
        assert sockets["open"] == Scraped.of(herald).value("herald_sockets")
    assert grown.of("herald_events_published_total") == 1
    assert grown.of("herald_deliveries_total") == 2
    grown.wait_for("herald_logger_records_written_total", 2, logger="sql")
    assert grown.of("herald_logger_flush_seconds_count", logger="sql") >= 1
    assert grown.of("herald_logger_flush_seconds_sum", logger="sql") > 0
    wait_until(lambda: grown.of("herald_sockets") == 0, "the end of the sockets")
    assert grown.of("herald_socket_disconnects_total") == 2, (
        "each end of a connection is counted by its reason"
    )


def test_hits(herald: HeraldServer, key: str) -> None:
    """Hits are counted when they are taken, and when they are stored."""
    grown = Growth(herald)
    batch: JsonObject = {"batch": [{"event": "viewed", "messageId": uuid7()} for _ in range(3)]}
    answer = herald.post("/analytics/collect", batch, key)
    assert answer.json()["accepted"] == 3, answer.text
    assert grown.of("herald_hits_accepted_total") == 3
    grown.wait_for("herald_hits_written_total", 3)


def test_refusals(herald: HeraldServer, key: str) -> None:
    """Keys that are not good are counted, and by what the others were decided."""
    grown = Growth(herald)
    body: JsonObject = {"event": "a", "data": {}}
    assert herald.post("/events", body, "not a key").status_code == 401
    for _ in range(2):
        assert herald.post("/events", body, key).status_code == 202
    assert grown.of("herald_gate_refused_total") == 1
    assert grown.of("herald_gate_calls_total") >= 2


def test_no_name_from_outside(herald: HeraldServer) -> None:
    """No app, room or event gives a label its value, so there are never more series than these."""
    names = [f"secret-{uuid7()}" for _ in range(3)]
    app, room, event = names
    own = herald.issue_key(*Scope, app=app)
    before = Scraped.of(herald)
    with SocketClient(herald.url, own, room):
        body: JsonObject = {"event": event, "room": room, "data": {}}
        assert herald.post("/events", body, own).status_code == 202
        after = Scraped.of(herald)
    assert not [name for name in names if name in after.text]
    assert samples_of(after) == samples_of(before)


def samples_of(scraped: Scraped) -> list[str]:
    """Return the names of all series, with their labels."""
    return [line.rpartition(" ")[0] for line in scraped.text.splitlines() if line[0] != "#"]


def test_both_formats(herald: HeraldServer) -> None:
    """Prometheus gets OpenMetrics as it asks for it, who says nothing the older text."""
    plain = Scraped.of(herald)
    opened = Scraped.of(herald, Accept=ACCEPT_OF_PROMETHEUS)
    browsed = Scraped.of(herald, Accept="text/html,*/*;q=0.8")
    assert plain.content_type == browsed.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert opened.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert samples_of(plain) == samples_of(opened)
    assert plain.labels("herald_build_info", "host") == {process_of(herald)["host"]}


def process_of(server: HeraldServer) -> JsonObject:
    """Return what ``/health/ready`` says of the process."""
    process = health_of(server)["process"]
    assert isinstance(process, dict)
    return process


def test_the_loop_is_watched(herald: HeraldServer) -> None:
    """How late the loop is is looked at again and again, and told by both."""
    grown = Growth(herald)
    grown.wait_for("herald_loop_lag_seconds_count", 1)
    loop = health_of(herald)["loop"]
    assert isinstance(loop, dict)
    assert loop.keys() == {"lagSeconds", "longestSeconds"}


def test_who_may_read_them(troubled: HeraldServer) -> None:
    """With METRICS_TOKEN nobody else may: no key of an app, no other token, in no other place."""
    address = f"{troubled.url}/metrics"
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer another-token-of-nobody"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {troubled.first_key}"},
    ]
    for headers in wrong:
        answer = requests.get(address, headers=headers, timeout=READ_SECONDS)
        assert answer.status_code == 401, headers
        assert "METRICS_TOKEN" in answer.json()["error"]["message"]
        assert "herald_" not in answer.text
    assert requests.get(f"{address}?token={TOKEN}", timeout=READ_SECONDS).status_code == 401
    assert Scraped.of(troubled, **BEARER).value("herald_sockets") == 0
    assert requests.get(f"{troubled.url}/health/ready", timeout=READ_SECONDS).status_code == 200


def test_a_destination_that_is_down(troubled: HeraldServer) -> None:
    """Its records are counted on disk, its failure is told with its beginning; others are well."""
    grown = Growth(troubled, **BEARER)
    body: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}
    assert troubled.post("/events", body).status_code == 202
    grown.wait_for("herald_logger_records_spooled_total", 1, logger="mongodb")
    grown.wait_for("herald_logger_records_retried_total", 1, logger="mongodb")
    now = Scraped.of(troubled, **BEARER)
    assert now.value("herald_logger_failing", logger="mongodb") == 1
    assert now.value("herald_logger_failing", logger="sql") == 0
    assert now.value("herald_logger_spool_bytes", logger="mongodb") > 0
    assert now.value("herald_logger_outages_total", logger="mongodb") >= 1
    loggers = health_of(troubled)["loggers"]
    assert isinstance(loggers, dict)
    down, well = loggers["mongodb"], loggers["sql"]
    assert isinstance(down, dict)
    assert isinstance(well, dict)
    assert (down["state"], well["state"]) == ("failing", "ok")
    assert "since" in down
    assert "since" not in well
    assert down["spoolBytes"] == now.value("herald_logger_spool_bytes", logger="mongodb")


def logger_state(server: HeraldServer, name: str) -> JsonObject:
    """Return what ``/health/ready`` says of one logger."""
    loggers = health_of(server)["loggers"]
    assert isinstance(loggers, dict)
    state = loggers[name]
    assert isinstance(state, dict)
    return state


def test_a_destination_that_comes_back(troubled: HeraldServer) -> None:
    """What waited on disk is counted as gone from there, and the logger is well again."""
    grown = Growth(troubled, **BEARER)
    body: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-2"}}
    with closing(sqlite3.connect(troubled.home / "herald.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert troubled.post("/events", body).status_code == 202
        grown.wait_for("herald_logger_records_spooled_total", 1, logger="sql")
        assert logger_state(troubled, "sql")["state"] in {"behind", "failing"}
        other.execute("ROLLBACK")
    grown.wait_for("herald_logger_records_replayed_total", 1, logger="sql")
    wait_until(lambda: logger_state(troubled, "sql")["state"] == "ok", "the return", READ_SECONDS)
    now = Scraped.of(troubled, **BEARER)
    assert now.value("herald_logger_spool_bytes", logger="sql") == 0
    assert now.value("herald_logger_records_dropped_total", logger="sql") == 0


def test_a_client_that_does_not_read(troubled: HeraldServer) -> None:
    """Its end is counted as that of a slow one, and no other's."""
    grown = Growth(troubled, **BEARER)
    body: JsonObject = {"event": "big", "data": {"text": "x" * EVENT_BYTES}}
    with RawWebSocket(troubled.port).open() as client:
        client.login(troubled.first_key)
        for _ in range(MOST_EVENTS):
            assert troubled.post("/events", body).status_code == 202
            if grown.of("herald_socket_disconnects_total", reason="slow"):
                break
    assert grown.of("herald_socket_disconnects_total", reason="slow") == 1
    assert grown.of("herald_socket_disconnects_total", reason="flood") == 0


def test_who_guesses(troubled: HeraldServer) -> None:
    """Guesses are limited as bad keys are; who brings the token reads on from the same address."""

    def guess() -> int:
        headers = {"Authorization": "Bearer a-guess-of-somebody"}
        answer = requests.get(f"{troubled.url}/metrics", headers=headers, timeout=READ_SECONDS)
        return answer.status_code

    answers = [guess() for _ in range(GUESSES + 1)]
    assert answers[-1] == 429
    assert Scraped.of(troubled, **BEARER).value("herald_rate_limit_refused_total") >= 1
