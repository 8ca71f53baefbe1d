"""The process: one worker, patched first, replaced when it dies, reloaded when asked."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess


@pytest.fixture(scope="module")
def asked_for_four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that is asked for four workers, in both ways there are."""
    server = HeraldServer(tmp_path_factory.mktemp("four"), {"WEB_CONCURRENCY": "4"})
    try:
        server.start("-w", "4", "tests.realtime.reporting_app:app")
        yield server
    finally:
        server.stop()


def test_one_worker(asked_for_four: HeraldServer) -> None:
    """There is exactly one worker, whatever is asked for."""
    assert len(asked_for_four.worker_pids()) == 1
    assert "Herald runs as one worker, not as 4" in asked_for_four.log_text()


def test_patched_first(asked_for_four: HeraldServer) -> None:
    """What the app imports is patched already, and no lock of logging was left a native one."""
    told = json.loads((asked_for_four.home / "patched.json").read_text())
    assert told["patched before import"] == ["socket", "thread"]
    assert told["handlers"] > 0
    assert told["native locks"] == []
    assert told["native threading"] is False
    assert "not greened" not in asked_for_four.log_text()


def test_killed_worker(asked_for_four: HeraldServer, node: NodeProcess) -> None:
    """A worker that is killed is replaced, and the sockets come back to the new one."""
    server = asked_for_four
    key, killed = server.first_key, server.worker_pid
    socket = node.open(server.url, key, ["websocket"])
    socket.connected()
    os.kill(killed, signal.SIGKILL)
    assert socket.wait_for("disconnect") == ["transport close"]
    socket.wait_for("connect", times=2)
    assert server.worker_pid != killed
    assert server.post("/events", {"event": "again", "data": {"n": 1}}, key).status_code == 202
    assert socket.wait_for_events("again", 1) == [{"n": 1}]


def test_reload(asked_for_four: HeraldServer, node: NodeProcess) -> None:
    """A reload (SIGHUP) leaves no moment without a server, and one worker as before."""
    server = asked_for_four
    key, old, posted = server.first_key, server.worker_pid, 0
    socket = node.open(server.url, key, ["websocket"])
    socket.connected()
    server.process.send_signal(signal.SIGHUP)
    while old in server.worker_pids():
        assert server.post("/events", {"event": "tick", "data": {}}, key).status_code == 202
        posted += 1
    assert posted > 0
    assert socket.wait_for("disconnect") == ["transport close"]
    socket.wait_for("connect", times=2)
    assert server.worker_pid != old


def test_orphan(asked_for_four: HeraldServer) -> None:
    """A worker whose master was killed drains and ends instead of keeping the port.

    The last test of the module: there is no server after it.
    """
    worker = asked_for_four.worker_pid
    asked_for_four.process.kill()
    asked_for_four.process.wait()
    wait_until(lambda: not _runs(worker), "the end of the worker", 10)
    assert "Traceback" not in asked_for_four.log_text()


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
