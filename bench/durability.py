"""``python -m bench.durability``: what safety costs, and what a bad logger costs the others.

Publishes as quickly as it is answered, into a room where nobody is, with SQLite as the log: with
``EVENT_ACK=stored`` and ``queued``; then with a logger beside it that raises, one that hangs, and
an output that nobody reads. All in turn in every run; what counts is the median. Ends with 1 where
something answered is not in the log.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bench.build import CannotBuild, build_load_client
from bench.client import LoadClient, LoadFailed
from bench.contenders import HERALD, CannotStart, Contender, Server
from bench.sink import Sink

STORED_SHARE = 0.6
"""Of the rate of ``queued``, at least."""
HURT_SHARE = 0.95
"""Of the rate without a bad logger, at least."""
LOGGERS = {"raising": "RaisingLoggerFactory", "hanging": "HangingSinkFactory"}
READ_SECONDS = 15.0
"""How long what was answered may take to be in the log."""


class StalledSink(Sink):
    """An output that nobody reads: the pipe takes its megabyte, and then blocks."""

    def _drain(self) -> None:
        """Leave it."""

    def handed_over(self) -> None:
        """Close both ends: the server is about to be stopped, and should not wait for a reader."""
        super().handed_over()
        os.close(self._read_end)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to run Herald; ``beside`` is the case that it is compared with."""

    name: str
    environ: Mapping[str, str]
    beside: str | None = None
    least: float = 0.0
    stalls: bool = False

    @property
    def contender(self) -> Contender:
        """How it is started."""
        return replace(HERALD, environ={**HERALD.environ, **self.environ}, silent={})


CASES = (
    Case("queued", {"EVENT_ACK": "queued", "EVENT_LOGGERS": "sql"}),
    Case("stored", {"EVENT_ACK": "stored", "EVENT_LOGGERS": "sql"}, "queued", STORED_SHARE),
    *(
        Case(
            f"stored, one logger {name}",
            {"EVENT_ACK": "stored", "EVENT_LOGGERS": f"{name},sql"},
            "stored",
            HURT_SHARE,
        )
        for name in LOGGERS
    ),
    Case(
        "stored, stdout not read",
        {"EVENT_ACK": "stored", "EVENT_LOGGERS": "console,sql"},
        "stored",
        HURT_SHARE,
        stalls=True,
    ),
)


class DurableServer(Server):
    """A server whose log can be looked at."""

    def __init__(self, case: Case, installed: Path) -> None:
        contender = replace(
            case.contender, environ={**case.contender.environ, "PYTHONPATH": str(installed)}
        )
        super().__init__(contender, silent=True, max_sockets=10)
        if case.stalls:
            self.sink.handed_over()
            self.sink = StalledSink()

    def stored(self) -> int:
        """Return how many events are in the log."""
        file = Path(self._home.name) / "herald.db"
        with closing(sqlite3.connect(file, timeout=30)) as database:
            query = "SELECT COUNT(*) FROM event_log WHERE event = 'bench.event'"
            return int(database.execute(query).fetchone()[0])


@dataclass(frozen=True, slots=True)
class Options:
    """How much is done."""

    runs: int
    seconds: float
    publishers: int


def measure(case: Case, options: Options, installed: Path) -> tuple[float, float, int]:
    """Return events a second, p99 in ms, and how many that were answered are not in the log."""
    with (
        DurableServer(case, installed) as server,
        LoadClient(server.port, server.token) as client,
    ):
        answers = [
            client.ask("publish", seconds=seconds, publishers=options.publishers, size=100)
            for seconds in (0.7, options.seconds)
        ]
        if any(answer["errors"] for answer in answers):
            raise LoadFailed(f"{case.name}: refused with {answers[-1]['refusal']:.0f}")
        wanted = int(sum(answer["events"] for answer in answers))
        deadline = time.monotonic() + READ_SECONDS
        while (found := server.stored()) < wanted and time.monotonic() < deadline:
            time.sleep(0.2)
        last = answers[-1]
        return last["events"] / last["seconds"], last["p99_ms"], wanted - found


def install_loggers(directory: Path) -> None:
    """Write what has the bad loggers found by name."""
    metadata = directory / "bad_loggers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-loggers\nVersion: 1.0\n")
    offered = "".join(f"{name} = bench.bad_loggers:{made}\n" for name, made in LOGGERS.items())
    (metadata / "entry_points.txt").write_text(f"[logger_lib.factories]\n{offered}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--publishers", type=int, default=32)
    parser.add_argument("--only", help="cases with this in their name, and those beside them")
    given = parser.parse_args()
    options = Options(given.runs, given.seconds, given.publishers)
    cases = [case for case in CASES if not given.only or given.only in case.name]
    cases = [case for case in CASES if case in cases or case.name in {c.beside for c in cases}]
    rates: dict[str, list[float]] = {case.name: [] for case in cases}
    missing = 0
    try:
        build_load_client()
        with tempfile.TemporaryDirectory() as installed:
            install_loggers(Path(installed))
            for run in range(options.runs):
                for case in cases if run % 2 == 0 else reversed(cases):
                    rate, late, lost = measure(case, options, Path(installed))
                    rates[case.name].append(rate)
                    missing += lost if case.name != "queued" else 0
                    _say(
                        f"run {run + 1}: {case.name}: {rate:,.0f}/s, p99 {late:.1f} ms,"
                        f" {lost} not in the log"
                    )
    except (CannotBuild, CannotStart, LoadFailed) as error:
        _say(str(error))
        return 1
    _say("")
    for case in cases:
        _say(_line(case, rates))
    return 1 if missing else 0


def _line(case: Case, rates: Mapping[str, list[float]]) -> str:
    own = rates[case.name]
    line = f"{case.name}: {statistics.median(own):,.0f} events/s (best {max(own):,.0f})"
    if case.beside is None:
        return line
    other = rates[case.beside]
    ratio = statistics.median(own) / statistics.median(other)
    verdict = "kept" if ratio >= case.least else "MISSED"
    # What else the machine does can only take away: the best runs are the ones it left alone.
    best = f"best against best {max(own) / max(other):.0%}"
    return f"{line}: {ratio:.0%} of {case.beside}, {best} (wanted: {case.least:.0%}; {verdict})"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
