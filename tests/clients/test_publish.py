"""The programs of ``docs/clients``, run by their languages against a real Herald on a bad line."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import requests

from logger_lib import JsonObject
from tests.clients.bad_line import RETRY_AFTER, BadLine, Fault
from tests.services.databases import absent
from tests.services.herald import ROOT
from tests.web.conftest import App

FOLDER = ROOT / "docs" / "clients"
SECONDS = 200
"""Go compiles its own library at the first run."""
LANGUAGES = {
    "publish.py": [sys.executable],
    "publish.mjs": ["node"],
    "publish.sh": ["sh"],
    "publish.php": ["php"],
    "publish.go": ["go", "run"],
}
ALSO_NEEDED = {"publish.sh": "curl"}

pytestmark = pytest.mark.timeout(SECONDS + 40)


def run(program: str, url: str, key: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the documents as its first lines say."""
    command = LANGUAGES[program]
    needed = ALSO_NEEDED.get(program, command[0])
    if shutil.which(needed) is None:
        absent(f"{needed} is not installed")
    return subprocess.run(
        [*command, str(FOLDER / program)],
        env={**os.environ, "HERALD_URL": url, "HERALD_KEY": key},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def published(app: App) -> list[JsonObject]:
    """Return the events of ``app``, the oldest first."""
    answer = requests.get(
        f"{app.server.url}/events", headers={"Authorization": f"Bearer {app.key}"}, timeout=10
    )
    events = answer.json()["events"]
    assert isinstance(events, list)
    return events[::-1]


@pytest.mark.parametrize("program", LANGUAGES)
def test_each_event_is_published_once(app: App, program: str) -> None:
    """Limited, the answer lost, half of the next one lost: all is published, and once."""
    faults = [Fault.LIMITED, Fault.LOST, Fault.HALVED]
    with BadLine(app.server.url, faults) as line:
        done = run(program, line.url, app.key)
    assert done.returncode == 0, done.stderr
    single, batch = (json.loads(answer) for answer in done.stdout.splitlines())
    events = published(app)
    assert [event["event"] for event in events] == ["order.created", "order.created", "order.paid"]
    assert [event["id"] for event in events] == [
        single["id"],
        *(result["id"] for result in batch["results"]),
    ]
    assert [call.path for call in line.calls] == ["/events"] * 4 + ["/events/batch"]
    assert len({call.key for call in line.calls}) == 2, "one a call, however often it is sent"
    limited, after = line.calls[:2]
    assert after.at - limited.at >= RETRY_AFTER - 0.1


@pytest.mark.parametrize("program", LANGUAGES)
def test_what_is_wrong_is_said_once(app: App, program: str) -> None:
    """A call that would be refused again is not sent again, and the program says why it ended."""
    with BadLine(app.server.url, []) as line:
        done = run(program, line.url, "nonsense")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "unauthorized" in done.stderr
    assert len(line.calls) == 1
