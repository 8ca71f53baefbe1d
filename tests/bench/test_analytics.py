"""The bench of the analytics: what it asks about is right, and it sees an answer that is not."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bench.analytics import questions
from logger_lib import inline
from tests.collect.sums import require_in_step
from tests.services.herald import ROOT
from webapp.storage.database import Database
from webapp.storage.hit_tables import DayCount

SECONDS = 50.0
HITS = 5_000


def run(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.analytics", "--hits", str(HITS), "--home", str(home)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.timeout(2 * SECONDS)
def test_answers_are_held_to_plain_counts(tmp_path: Path) -> None:
    """Its sums are what its hits add up to, each question is timed, and a wrong sum is found."""
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for question in questions():
        assert f"| {question} |" in done.stdout
    database = Database(f"sqlite:///{tmp_path}/herald.db", inline)
    app_id = database.run(lambda session: session.scalars(select(DayCount.app_id)).first())
    assert app_id is not None
    require_in_step(database, app_id)
    spoil = text("UPDATE unique_count SET users = users + 1 WHERE event = 'event_05'")
    database.run(lambda session: session.execute(spoil))
    database.close()
    done = run(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "top-events, 7 days" in done.stdout
