"""What a load balancer asks, and what the operator reads first."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.services.databases import temporary_postgresql
from tests.services.herald import HeraldServer, wait_until

SECRET = "a secret that is long enough for the tests"


def test_live_and_ready(herald: HeraldServer) -> None:
    """Both need no key; ready names each part that the answer depends on."""
    live = requests.get(herald.url + "/health/live", timeout=10)
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    ready = requests.get(herald.url + "/health/ready", timeout=10)
    assert ready.status_code == 200
    assert (ready.json()["status"], ready.json()["ready"]) == ("ready", True)
    assert ready.json()["parts"]["database"] == "ok"


@pytest.fixture
def postgresql() -> Iterator[str]:
    with temporary_postgresql() as url:
        yield url


def allow_connections(url: str, allowed: bool) -> None:
    """Let nobody into the database, and put out those who are in; or let them in again."""
    name = make_url(url).database
    engine = create_engine(
        make_url(url).set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"))
        if not allowed:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                ),
                {"name": name},
            )


def test_the_database_is_out_of_reach(postgresql: str, home: Path) -> None:
    """Without its database the server is alive and not ready, says why, and comes back."""
    environ = {"DATABASE_URL": postgresql, "SECRET_KEY": SECRET}
    with HeraldServer(home, environ) as server:
        ready, live = server.url + "/health/ready", server.url + "/health/live"
        assert requests.get(ready, timeout=10).status_code == 200
        allow_connections(postgresql, allowed=False)
        answer = requests.get(ready, timeout=10)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert (answer.json()["status"], answer.json()["ready"]) == ("not ready", False)
        assert answer.json()["error"]["code"] == "unavailable"
        assert answer.json()["parts"]["database"] != "ok"
        assert answer.json()["parts"]["drain"] == "ok"
        assert requests.get(live, timeout=10).status_code == 200
        allow_connections(postgresql, allowed=True)
        wait_until(lambda: requests.get(ready, timeout=10).status_code == 200, "the return")


def test_two_starts(home: Path) -> None:
    """The first start shows a call that works as it is; the second one says how to get a key."""
    with HeraldServer(home) as first:
        shown = re.search(r"^curl .*?^\}'$", first.log_text(), re.MULTILINE | re.DOTALL)
        assert shown is not None, first.log_text()
        pasted = subprocess.run(
            ["bash", "-c", shown[0]], capture_output=True, text=True, timeout=20, check=True
        )
        assert pasted.stdout.startswith("HTTP/1.1 202 "), pasted.stdout
        assert '"event":"order.created"' in pasted.stdout
        assert "'make key' prints a fresh one" in first.log_text()
        for place in ("logging: this terminal", f"sql: the table event_log of sqlite:///{home}"):
            assert place in first.log_text()
        key = first.first_key
    first.log_file.rename(home / "first.log")
    with HeraldServer(home) as second:
        printed = second.log_text()
        assert "herald_ey" not in printed
        assert 'Bearer $KEY"' in printed
        assert "KEY=$(make -s key)" in printed
        assert second.post("/events", {"event": "a", "data": {}}, key).status_code == 202
