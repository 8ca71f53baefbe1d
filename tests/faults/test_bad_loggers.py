"""Loggers that raise, that hang for ever, and an output that nobody reads: publishing goes on."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import (
    WATCHED_APP,
    counters_of,
    full_key,
    herald,
    installed_loggers,
    judge,
    load,
    percentiles,
    say,
)
from tests.services import event_log
from tests.services.herald import GREETING, HeraldServer
from tests.services.ports import lasting_port

BAD = {
    "raising": "bench.bad_loggers:RaisingLoggerFactory",
    "raising-sink": "bench.bad_loggers:RaisingSinkFactory",
    "hanging-sink": "bench.bad_loggers:HangingSinkFactory",
}
EVENTS = 1000
LARGE = 45_000
"""Bytes; so that a few seconds of events are more than a buffer takes."""
READ_BYTES = 65_536
BLOCKED = 1.0
"""Seconds; half of what the sink waits in C for each batch."""
IN_TIME = 10.0
"""Seconds; then Gunicorn's master would kill the worker."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What ``PYTHONPATH`` needs for the bad loggers to be found by name."""
    return installed_loggers(tmp_path, BAD)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_logger(name: str, installed: Path, home: Path) -> None:
    """What it does to itself is counted, and hurts nobody else, also at the end."""
    environ = {"EVENT_LOGGERS": f"{name},sql", "PYTHONPATH": str(installed)}
    with herald(home, environ) as server:
        with load(server, full_key(server), rate=None) as running:
            running.ledger.await_acknowledged(EVENTS, 30)
        counters = judge(name, running, lambda ledger: event_log.in_sqlite(home, ledger), name)
        assert server.stop() == 0
    assert f"'{name}' cannot write" in server.log_text() or name == "hanging-sink"
    if name != "raising":
        assert counters["failed"] + counters["dropped"], counters


def test_a_sink_that_blocks(tmp_path: Path, home: Path) -> None:
    """One that waits in C, and says that it ``blocks``, does not hold up the event loop."""
    offered = {"blocking-sink": "bench.bad_loggers:BlockingSinkFactory"}
    environ = {
        "EVENT_LOGGERS": "blocking-sink,sql",
        "PYTHONPATH": str(installed_loggers(tmp_path, offered)),
    }
    with herald(home, environ) as server:
        with load(server, full_key(server), rate=200) as running:
            running.ledger.await_acknowledged(EVENTS, 30)
        answers = running.ledger.answer_times()
        say("a sink that blocks for 2 s", f"answers {percentiles(answers)}")
        server.stop()
    assert max(answers) < BLOCKED


class StalledPipe:
    """An output whose reader stops reading after a server's greeting, and goes on when told."""

    def __init__(self, server: HeraldServer) -> None:
        self._server = server
        self._read_end, self.write_end = os.pipe()
        self._goes_on = threading.Event()
        self._thread = threading.Thread(target=self._read, name="stalled-pipe")
        self._thread.start()

    def _read(self) -> None:
        with self._server.log_file.open("ab", buffering=0) as log:
            while data := os.read(self._read_end, READ_BYTES):
                log.write(data)
                if not self._goes_on.is_set() and GREETING in self._server.log_text():
                    self._goes_on.wait()
        os.close(self._read_end)

    def go_on(self) -> None:
        """Read on, to the end of it."""
        self._goes_on.set()

    def close(self) -> None:
        """Wait for the end; every other holder of the pipe must have gone."""
        self.go_on()
        os.close(self.write_end)
        self._thread.join(10)


@contextmanager
def stalled(home: Path, environ: dict[str, str]) -> Iterator[tuple[HeraldServer, StalledPipe]]:
    """Start a server whose stdout and stderr are one pipe that nobody reads any more."""
    server = HeraldServer(home, environ, lasting_port())
    home.mkdir()
    pipe = StalledPipe(server)
    try:
        server.start(WATCHED_APP, output=pipe.write_end)
        yield server, pipe
    finally:
        pipe.go_on()
        server.stop()
        pipe.close()


@pytest.mark.parametrize("name", ["console", "logging"])
def test_nobody_reads_the_output(name: str, home: Path) -> None:
    """Lines wait in a bounded buffer, then they are dropped and counted; all else goes on."""
    with stalled(home, {"EVENT_LOGGERS": f"{name},sql"}) as (server, pipe):
        key = full_key(server)
        with load(server, key, rate=None, size=LARGE) as running:
            running.ledger.await_acknowledged(EVENTS, 30)
        counters = judge(
            f"nobody reads what {name} writes",
            running,
            lambda ledger: event_log.in_sqlite(home, ledger),
            name,
        )
        assert counters["taken"] > counters["written"]
        assert counters["dropped"], counters
        pipe.go_on()
        assert server.stop() == 0


@pytest.mark.parametrize("name", ["console", "logging"])
def test_an_end_while_nobody_reads(name: str, home: Path) -> None:
    """SIGTERM with stdout and stderr stalled: in time, by itself, and nothing else is lost."""
    with stalled(home, {"EVENT_LOGGERS": f"{name},sql"}) as (server, pipe):
        key = full_key(server)
        with load(server, key, rate=None, size=LARGE) as running:
            running.ledger.await_acknowledged(EVENTS, 30)
        assert counters_of(server, name)["dropped"]
        told_at = time.monotonic()
        assert server.stop() == 0
        seconds = time.monotonic() - told_at
        verdict = running.ledger.settle(lambda: event_log.in_sqlite(home, running.ledger), 0)
        pipe.go_on()
    say(f"an end while nobody reads what {name} writes: {seconds:.2f} s", verdict)
    assert seconds < IN_TIME
    assert verdict.faults == {}
