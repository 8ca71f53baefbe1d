"""The benches themselves: a small run of each works and judges no times."""

import json
import subprocess
import sys

import pytest

from bench.collectors import EMBEDDED
from bench.contenders import HERALD
from bench.hosts_bout import QUICK, THREE
from tests.services.herald import ROOT

SECONDS = 150
"""More than ten times what one takes on a machine that has nothing else to do."""

pytestmark = [pytest.mark.usefixtures("load_client"), pytest.mark.timeout(SECONDS + 10)]


def quick_run(bench: str, only: str) -> str:
    """Return the page of a run that has lost nothing and missed no goal."""
    done = subprocess.run(
        [sys.executable, "-m", bench, "--quick", "--only", only],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missed" not in done.stdout
    return done.stdout


def test_of_events() -> None:
    """It measures everything there is, and loses no delivery and no line."""
    page = quick_run("bench.run", HERALD.name)
    assert "| fan-out to 100, a line a recipient, deliveries/s |" in page
    figures = json.loads((ROOT / "bench" / "build" / "bench.json").read_text())[HERALD.name]
    wanted = {"fanout.silent.100", "fanout.logged.100", "publish.single", "publish.batch"}
    wanted |= {"latency_p99_ms", "stalled_p99_ms", "stalled_memory_mb", "leave_health_ms.300"}
    assert wanted <= {name for name, values in figures.items() if values[0] is not None}


def test_of_hits() -> None:
    """It stores what it answers, once, and its sums say the same."""
    page = quick_run("bench.collect", EMBEDDED.name)
    assert "| hits lost, of all runs | 0 |" in page
    assert "| at 200 single hits/s: p99, ms |" in page


@pytest.mark.usefixtures("redis_server")
def test_of_hosts() -> None:
    """Three hosts give every event to all sockets, once and in order."""
    page = quick_run("bench.hosts", THREE.name)
    assert f"| {QUICK.posts} | {QUICK.posts * QUICK.sockets:,} | 0 | 0 | 0 |" in page
    assert "post to socket, another host, p99, ms" in page
