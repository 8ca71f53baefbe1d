"""``python -m bench.hosts``: several hosts are measured, and what goes wrong is said."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.hosts import Found
from bench.hosts_bout import ALONE, ONE, QUICK, THREE, TWO, Bout, Group
from bench.hosts_report import HostsReport
from tests.services.herald import ROOT, environment_without_settings

SECONDS = 60.0
COSTS = {"single.0": 100.0, "batch.0": 10.0, "single.2": 200.0, "batch.2": 12.5}

COSTS_OF_TWO = {"hear_us": [90.0], "publish_us": [260.0]}


@pytest.mark.usefixtures("load_client")
def test_what_goes_wrong_is_said() -> None:
    """Two hosts without Redis do not hear each other: half is lost, and their 202 tells of half."""
    found = Found()
    plan = replace(QUICK, patience=0.5)
    found.take(Bout(Group("apart", "apart", 2, has_redis=False), plan))
    assert found.failed
    assert any("deliveries were lost" in problem for problem in found.problems)
    assert any("a post was answered" in problem for problem in found.problems)


@pytest.mark.parametrize(("environ", "code"), [({}, 0), ({"HERALD_CI": "1"}, 1)])
@pytest.mark.usefixtures("load_client")
def test_without_redis_nothing_is_measured(
    tmp_path: Path, environ: dict[str, str], code: int
) -> None:
    """That is said, and an error only where everything must be there."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.hosts", "--quick", "--only", ONE.name],
        cwd=ROOT,
        env={**environment_without_settings(), "HERALD_CI": "", **environ, "PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == code, done.stderr
    assert "redis-server is needed" in done.stderr
    assert done.stdout == ""


def test_the_page() -> None:
    """It judges what two hosts carry had each a core, and shows what they carried as it was."""
    shown: dict[str, list[float]] = {
        "shown.posts": [1000],
        "shown.deliveries": [900_000],
        "shown.lost": [0, 0, 2],
        "shown.doubled": [0],
        "shown.disordered": [0],
    }
    report = HostsReport(
        {
            ALONE.name: {
                "deliveries": [90_000.0],
                "of_a_core": [100_000.0],
                "publish_us": [150.0],
            },
            ONE.name: {"deliveries": [80_000.0, 99_000.0, 70_000.0], "of_a_core": [96_000.0]},
            TWO.name: {"deliveries": [100_000.0], "of_a_core": [72_000.0], **COSTS_OF_TWO},
            THREE.name: shown,
        },
        COSTS,
        QUICK,
        runs=3,
        problems=["two: it is slow", "two: it is slow"],
        judged=True,
    )
    page = report.markdown()
    assert "| 1,000 | 900,000 | 2 | 0 | 0 |" in page
    assert "| two over one | 1.25× | 1.50× | ≥ 1.6× | **missed** |" in page
    assert "| one over one, no Redis | 0.89× | 0.96× | – |  |" in page
    # 60 deliveries of 7.5 µs, the post and the hearing.
    assert "A delivery costs a host 7.5 µs." in page
    assert "| two | 75,000 | 72,000 | +4% |" in page
    assert "| … at each other host, µs an event | – | – | 90 | – |" in page
    assert "| 2 | 200 | 12.5 | 5,000 | 80,000 |" in page
    assert page.count("it is slow") == 1
