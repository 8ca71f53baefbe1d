"""``python -m bench.collect``: what it counts is so, and what goes wrong is said."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from bench.client import LoadClient
from bench.collect_bout import BARE, QUICK, Bout
from bench.collect_report import CollectReport
from bench.collectors import EMBEDDED, PEER, TUNED, WITH_REDIS, CollectServer, EmbeddedServer
from bench.contenders import Contender
from tests.bench.faulty_collector import STALL_SECONDS
from tests.services.herald import ROOT

PLAN = replace(QUICK, warm=0.1, seconds=0.2, rate=0.5, sockets=0)
WRONG = {
    "lose": "1 were lost, 0 doubled",
    "double": "0 were lost, 1 doubled",
    "miscount": "hits are stored, and the sums tell of",
    "refuse": "requests failed, the last with 503",
}

pytestmark = pytest.mark.usefixtures("load_client")


@contextmanager
def faulty_collector(title: str, *, fault: str) -> Iterator[CollectServer]:
    command = (sys.executable, "-m", "tests.bench.faulty_collector")
    contender = Contender("faulty", title, command, ROOT, {"FAULT": fault}, {}, {})
    with EmbeddedServer(contender) as server:
        yield server


def hits_in(server: CollectServer) -> list[dict[str, str]]:
    with closing(sqlite3.connect(server.database.removeprefix("sqlite:///"))) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM hit")]


@pytest.mark.parametrize("fault", ["", *WRONG])
def test_what_a_collector_does_wrong_is_said(fault: str) -> None:
    """A hit lost, doubled, not in the sums, refused: each is told apart, and nothing is made up."""
    entry = replace(EMBEDDED, start=partial(faulty_collector, fault=fault))
    bout = Bout(entry, PLAN)
    bout.throughput()
    if fault:
        assert WRONG[fault] in bout.problems[0]
        return
    assert bout.problems == []
    assert bout.figures["stored.single"] > 0
    assert bout.figures["stored.batch"] > bout.figures["stored.single"]
    assert (bout.figures["lost"], bout.figures["doubled"]) == (0, 0)


def test_each_hit_has_its_own_number() -> None:
    """Singles and batches go on counting; the peer gets the fields that it knows and no others."""
    with faulty_collector("none", fault="") as server, LoadClient(server.port, "-") as client:
        first = client.ask("collect", seconds=0.1, publishers=4)
        then = client.ask("collect", seconds=0.1, publishers=4, batch=5, first=first["next"])
        stored = hits_in(server)
        assert then["next"] == len(stored) == first["hits"] + then["hits"]
        assert len({hit["messageId"] for hit in stored}) == len(stored)
        last = client.ask("collect", seconds=0.1, publishers=1, first=then["next"], peer=1)
        peers = [hit for hit in hits_in(server) if "messageId" not in hit]
    assert len({hit["referrer"] for hit in peers}) == len(peers) == last["hits"]
    assert set(peers[0]) == {"event", "referrer", "device", "ipAddress", "metadata"}


def test_a_fixed_rate_is_timed_from_when_a_hit_was_due() -> None:
    """One answer that takes long delays those that are due meanwhile, and all of them count it."""
    rate = {"seconds": 0.6, "per_second": 50, "publishers": 1}
    with (
        faulty_collector("stalls", fault="stall") as server,
        LoadClient(server.port, "-") as client,
    ):
        found = client.ask("collect", **rate)
    assert found["hits"] == rate["seconds"] * rate["per_second"]
    assert found["max_ms"] >= STALL_SECONDS * 1000
    assert found["p50_ms"] > STALL_SECONDS * 1000 / 10


def test_the_page() -> None:
    """It compares what Herald stores with what the peer answers, and judges that."""
    report = CollectReport(
        {
            EMBEDDED.name: {"stored.single": [2000, 3000, 9000], "stored.batch": [19_000.0]},
            WITH_REDIS.name: {"stored.single": [2400.0], "p99_ms": [15.5], "lost": [1, 2]},
            PEER.name: {"answered.single": [1000.0], "stored.single": [600.0], "lost": [4, 5]},
            TUNED.name: {"answered.single": [2000.0]},
            BARE: {"answered.single": [48_000.0], "p50_ms": [0.1], "p99_ms": [0.3]},
        },
        QUICK,
        runs=3,
        problems=["The peer: it is slow", "The peer: it is slow"],
        judged=True,
    )
    page = report.markdown()
    assert "| single hits: hits stored a second | 3,000 | 2,400 | 600 | – |" in page
    assert "| hits lost, of all runs | – | 3 | 9 | – |" in page
    assert "single hits, over what the peer answers | 3.00× | ≥ 2.5× | held |" in page
    assert "batches of 50, over what the peer answers | 19.00× | ≥ 20× | **missed** |" in page
    assert "50 sockets | 15.50 ms | < 15 ms | **missed** |" in page
    assert "Over what the tuned peer answers, stored by Herald, SQLite: 1.50× single" in page
    assert "48,000 single hits/s; at 200/s p50 0.10 ms, p99 0.30 ms." in page
    assert page.count("it is slow") == 1
