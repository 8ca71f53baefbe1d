"""What begins and ends with the process, and the steps that fail."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logger_lib import JsonObject
from logger_lib.offload import inline
from tests.services.herald import HeraldServer, wait_until
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.tokens import KeySigner
from webapp.end import End
from webapp.settings import Settings
from webapp.start import Start
from webapp.storage.database import Database

EVENT: JsonObject = {"event": "a", "data": {}}


def test_the_last_use_is_recorded_at_the_end(home: Path) -> None:
    """A key that was used just before a stop is listed with that use afterwards."""
    with HeraldServer(home) as server:
        key = server.issue_key(Scope.PUBLISH, app="shop")
        assert server.post("/events", EVENT, key).status_code == 202
    heading, row = server.command("keys", "list", "--app-name", "shop").splitlines()
    assert row[heading.index("LAST USED") :].startswith("20")
    assert "at the end" not in server.log_text()


def test_a_worker_is_told_to_end_before_it_serves(home: Path) -> None:
    """A stop that comes while a worker is made anew ends it as any other; nobody has to kill it."""
    with HeraldServer(home) as server:
        first = server.worker_pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: server.worker_pids() not in ([], [first]), "another worker")
        second = server.worker_pid
        assert server.stop() == 0
        assert f"Worker exiting (pid: {second})" in server.log_text()


def test_every_step_of_the_end_is_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that fails and one that hangs are said, and those after them are taken, in order."""
    monkeypatch.setattr("webapp.end.PATIENCE_SECONDS", 0.05)
    released, taken = threading.Event(), []

    def fails() -> None:
        raise ConnectionError("no secrets here")

    def hangs() -> None:
        released.wait(10)

    End(
        {
            "one": lambda: taken.append("one"),
            "two": fails,
            "three": hangs,
            "four": lambda: taken.append("four"),
        }
    )(10)
    released.set()
    assert taken == ["one", "four"]
    assert capsys.readouterr().err == (
        "Herald: at the end, two failed: ConnectionError.\n"
        "Herald: at the end, three took too long.\n"
    )


def test_the_steps_of_the_end_share_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten steps that hang take hardly longer than one, and the last is taken all the same."""
    released, taken = threading.Event(), []
    steps: dict[str, Callable[[], None]] = {
        f"hanging {number}": lambda: hang(released) for number in range(10)
    }
    began = time.monotonic()
    End({**steps, "last": lambda: taken.append("last")})(0.2)
    assert time.monotonic() - began < 1
    released.set()
    assert taken == ["last"]
    assert capsys.readouterr().err.count("took too long") == 10


def hang(until: threading.Event) -> None:
    until.wait(10)


def test_recording_the_use_never_stops(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong when the use of keys is recorded is said, and does not end the loop."""
    database = Database(f"sqlite:///{tmp_path}/empty.db", inline)
    signer = KeySigner("s" * 32)
    keys = ApiKeys(database, signer)
    gate = Gate(keys, signer)
    gate._used["key"] = keys._now()
    Start(Settings.from_environment({"HERALD_HOME": str(home)}), keys, gate, []).record_use()
    database.close()
    assert capsys.readouterr().err == (
        "Herald: when keys were last used is not recorded: OperationalError.\n"
    )
