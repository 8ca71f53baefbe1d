"""The table: what was measured, what it must be, and under which conditions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.build import NESTJS
from bench.contenders import CONTENDERS, HERALD, Contender
from bench.thresholds import THRESHOLDS, Medians

_PACKAGES = ("Flask-SocketIO", "python-socketio", "eventlet", "gunicorn")
_NODE_PACKAGES = ("@nestjs/core", "socket.io")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, as the table calls it."""

    figure: str
    title: str
    unit: str
    digits: int = 0


def rows(sizes: Sequence[int], watched: int) -> Iterator[Row]:
    """Return the rows of the table, in its order."""
    for mode, what in (("silent", "silent"), ("logged", "a line a recipient")):
        for size in sizes:
            yield Row(f"fanout.{mode}.{size}", f"fan-out to {size:,}, {what}", "deliveries/s")
    yield Row("publish.single", "publish, nobody listens, logged", "events/s")
    yield Row("publish.batch", "the same in batches of 100", "events/s")
    yield Row("latency_p50_ms", f"delivery to {watched:,} at 20 events/s, p50", "ms", 1)
    yield Row("latency_p99_ms", "the same, p99", "ms", 1)
    yield Row("stalled_before_p99_ms", "one socket of them also gets 5 MB/s, p99", "ms", 1)
    yield Row("stalled_p99_ms", "that one stops reading, p99 of the others", "ms", 1)
    yield Row("stalled_memory_mb", "memory that it costs", "MB", 1)
    yield Row("stalled_gone_s", "until it is gone", "s", 1)
    yield Row(f"connects.{max(sizes)}", f"{max(sizes):,} connect, log in, join", "sockets/s")
    yield Row(f"idle_mb.{max(sizes)}", f"memory with {max(sizes):,} idle sockets", "MB")
    yield Row(f"socket_kb.{max(sizes)}", "memory a socket", "kB", 1)
    yield Row(f"leave_health_ms.{max(sizes)}", f"{max(sizes):,} leave: slowest health check", "ms")


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found."""

    medians: Medians
    sizes: Sequence[int]
    watched: int
    runs: int
    problems: Sequence[str]

    def markdown(self) -> str:
        """Return the whole page."""
        parts = [self._figures(), self._thresholds(), self._problems(), self._conditions()]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _figures(self) -> str:
        present = [contender for contender in CONTENDERS if contender.name in self.medians]
        peers = [contender for contender in present if contender is not HERALD]
        if HERALD.name not in self.medians:
            peers = []
        heads = [contender.title for contender in present]
        heads += [f"Herald ÷ {peer.title}" for peer in peers]
        lines = [f"| | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
        for row in rows(self.sizes, self.watched):
            cells = [_cell(self._value(contender, row), row) for contender in present]
            cells += [self._ratio(peer, row) for peer in peers]
            lines.append(f"| {row.title}, {row.unit} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _value(self, contender: Contender, row: Row) -> float | None:
        return self.medians[contender.name].get(row.figure)

    def _ratio(self, peer: Contender, row: Row) -> str:
        ours, theirs = self._value(HERALD, row), self._value(peer, row)
        if ours is None or not theirs or float("inf") in (ours, theirs):
            return "–"
        return f"{ours / theirs:.2f}"

    def _thresholds(self) -> str:
        lines = ["| must be shown | measured | wanted | |", "|---|--:|--:|---|"]
        for threshold in THRESHOLDS:
            value = threshold.measured(self.medians)
            if value is None:
                continue
            wanted = f"{'≤' if threshold.at_most else '≥'} {threshold.limit:g}{threshold.unit}"
            verdict = "held" if threshold.holds(value) else "**missed**"
            shown = "never" if value == float("inf") else f"{value:.2f}{threshold.unit}"
            lines.append(f"| {threshold.says} | {shown} | {wanted} | {verdict} |")
        return "\n".join(lines) if len(lines) > 2 else ""

    def _problems(self) -> str:
        return "\n".join(f"- {problem}" for problem in dict.fromkeys(self.problems))

    def _conditions(self) -> str:
        shares = [
            value
            for figures in self.medians.values()
            for name, value in figures.items()
            if name.startswith("client_cpu.")
        ]
        lines = [
            f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores of {_processor()}, "
            f"Linux {platform.release()}; medians of {self.runs}; one process each, in turn.",
            f"{_versions()}.",
            f"The load client took at most {max(shares, default=0):.0%} of one core.",
        ]
        ceiling = self.medians.get("ceiling", {})
        for name, value in ceiling.items():
            if name.startswith("fanout.silent."):
                lines.append(f"It counts {value:,.0f} deliveries/s from a server of bare sends.")
        return " ".join(lines)


def _cell(value: float | None, row: Row) -> str:
    if value is None:
        return "–"
    return "never" if value == float("inf") else f"{value:,.{row.digits}f}"


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _versions() -> str:
    names = [f"Python {platform.python_version()}"]
    names += [f"{package} {version(package)}" for package in _PACKAGES]
    return ", ".join(names + _node_versions())


def _node_versions() -> list[str]:
    script = ";".join(
        f"console.log('{name.split('/')[0].lstrip('@')}',"
        f"JSON.parse(fs.readFileSync('node_modules/{name}/package.json')).version)"
        for name in _NODE_PACKAGES
    )
    try:
        done = subprocess.run(  # noqa: S603 - the words above
            ["node", "-e", f"console.log('Node', process.versions.node);{script}"],  # noqa: S607
            cwd=NESTJS,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return []
    return done.stdout.splitlines()
