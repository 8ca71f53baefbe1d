"""The load client: it counts what is right, and says what is wrong."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.client import LoadClient
from tests.services.herald import ROOT, free_port, wait_until

SOCKETS, POSTS = 5, 6
PATIENCE = 0.5

WRONG = {
    "none": {},
    "lose": {"missing": 1},
    "repeat": {"missing": 1, "extra": 1},
    "repeat to the other": {"missing": 1, "extra": 1},
    "drop": {"gone": 1},
    "refuse": {"errors": 1, "refusal": 503, "missing": SOCKETS},
    "no answer": {"errors": 1, "missing": SOCKETS},
}

ONE_BY_ONE = {
    "none": {},
    "lose": {"lost": 1},
    "repeat": {"lost": 1, "doubled": 1},
    "repeat to the other": {"lost": 1, "doubled": 1},
    "swap": {"disordered": 1},
    "drop": {"gone": 1},
    "refuse": {"errors": 1, "refusal": 503, "lost": SOCKETS},
}


pytestmark = pytest.mark.usefixtures("load_client")


@contextmanager
def faulty_server(fault: str) -> Iterator[int]:
    """Start the server with one ``fault``, and yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.faulty_server", str(port), fault]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until(lambda: accepts(port), "the faulty server")
        yield port
    finally:
        process.kill()
        process.wait()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("fault", WRONG)
def test_what_a_server_does_wrong_is_said(fault: str) -> None:
    """Lost, repeated, refused, unanswered: each is told apart, whatever else looks right."""
    with faulty_server(fault) as port, LoadClient(port, "-") as client:
        assert client.ask("connect", count=SOCKETS, room="r")["connected"] == SOCKETS
        found = client.ask("fanout", seconds=20, posts=POSTS, room="r", patience=PATIENCE)
    said = {name: found[name] for name in ("missing", "extra", "gone", "errors", "refusal")}
    assert {name: count for name, count in said.items() if count} == WRONG[fault]


@pytest.mark.parametrize("fault", ["refuse", "no answer"])
def test_a_refused_publish_is_an_error(fault: str) -> None:
    """What was not accepted does not count as published."""
    with faulty_server(fault) as port, LoadClient(port, "-") as client:
        found = client.ask("publish", seconds=0.5, publishers=1, patience=PATIENCE)
    assert (found["events"], found["errors"]) == (2, 1)
    assert found["refusal"] == (503 if fault == "refuse" else 0)


def test_open_loop_and_stalled_sockets() -> None:
    """At a fixed rate each delivery is timed; who does not read is expected to get nothing."""
    with faulty_server("none") as port, LoadClient(port, "-") as client:
        client.ask("connect", count=SOCKETS, room="r")
        client.ask("stall", count=1)
        found = client.ask("rate", seconds=0.48, per_second=20, room="r", patience=PATIENCE)
    assert (found["posts"], found["sockets"]) == (10, SOCKETS - 1)
    assert found["deliveries"] == 10 * (SOCKETS - 1)
    assert found["missing"] == found["extra"] == found["gone"] == found["errors"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"] < 10_000


def test_leaving() -> None:
    """All sockets leave, and the health of the server is asked for meanwhile."""
    with faulty_server("none") as port, LoadClient(port, "-") as client:
        client.ask("connect", count=SOCKETS, room="r")
        found = client.ask("leave", seconds=0.2)
    assert (found["left"], found["errors"]) == (SOCKETS, 0)
    assert found["probes"] >= 1


@pytest.mark.parametrize("fault", ONE_BY_ONE)
def test_each_delivery_is_counted_one_by_one(fault: str) -> None:
    """What was lost at one event and doubled at another is told apart, and so is what came late."""
    with faulty_server(fault) as port, LoadClient(port, "-") as client:
        client.ask("connect", count=SOCKETS, room="r")
        found = client.ask("spread", posts=POSTS, publishers=1, room="r", patience=PATIENCE)
    names = ("lost", "doubled", "disordered", "gone", "errors", "refusal")
    said = {name: found[name] for name in names}
    assert {name: count for name, count in said.items() if count} == ONE_BY_ONE[fault]


def test_servers_get_sockets_and_posts_in_turn() -> None:
    """Of two servers that do not hear each other each has half of the sockets and of the events."""
    with (
        faulty_server("none") as one,
        faulty_server("none") as other,
        LoadClient(one, "-", other) as client,
    ):
        client.ask("connect", count=4, room="r")
        found = client.ask("spread", posts=POSTS, publishers=2, room="r", patience=PATIENCE)
    assert (found["posts"], found["answered"], found["errors"]) == (POSTS, POSTS, 0)
    assert (found["deliveries"], found["lost"]) == (2 * POSTS, 2 * POSTS)


def test_deliveries_are_timed_by_where_they_were_posted() -> None:
    """At a fixed rate sockets of the server that was asked are told apart from the others'."""
    with faulty_server("none") as port, LoadClient(port, "-") as client:
        client.ask("connect", count=SOCKETS, room="r")
        found = client.ask("spread", seconds=0.48, per_second=20, room="r", patience=PATIENCE)
    assert found["posts"] == 10
    assert 0 < found["own_p50_ms"] <= found["own_p99_ms"] < 10_000
    assert found["others_p99_ms"] == 0
