"""The table: what was measured, what it must be, and under which conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bench.build import NESTJS
from bench.conditions import day_and_machine, node_versions, package_versions
from bench.contenders import CEILING, CONTENDERS, HERALD, SETTLED, Contender
from bench.thresholds import THRESHOLDS, Medians
from bench.workloads import Plan

_PACKAGES = ("Flask-SocketIO", "python-socketio", "eventlet", "gunicorn")
_NODE_PACKAGES = ("@nestjs/core", "socket.io")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, as the table calls it."""

    figure: str
    title: str
    unit: str
    digits: int = 0


def rows(plan: Plan) -> Iterator[Row]:
    """Return the rows of the table, in its order."""
    watched, large = plan.watched, plan.large
    for mode, what in (("silent", "silent"), ("logged", "a line a recipient")):
        for size in plan.all_sizes:
            yield Row(f"fanout.{mode}.{size}", f"fan-out to {size:,}, {what}", "deliveries/s")
    yield Row("publish.single", "publish, nobody listens, logged", "events/s")
    yield Row("publish.batch", "the same in batches of 100", "events/s")
    yield Row("latency_p50_ms", f"delivery to {watched:,} at 20 events/s, p50", "ms", 1)
    yield Row("latency_p99_ms", "the same, p99", "ms", 1)
    yield Row("stalled_before_p99_ms", "one socket of them also gets 5 MB/s, p99", "ms", 1)
    yield Row("stalled_p99_ms", "that one stops reading, p99 of the others", "ms", 1)
    yield Row("stalled_memory_mb", "memory that it costs", "MB", 1)
    yield Row("stalled_gone_s", "until it is gone", "s", 1)
    yield Row(f"connects.{large}", f"{large:,} connect, log in, join", "sockets/s")
    yield Row(f"idle_mb.{large}", f"memory with {large:,} idle sockets", "MB")
    yield Row(f"socket_kb.{large}", "memory a socket", "kB", 1)
    yield Row(f"leave_health_ms.{large}", f"{large:,} leave: slowest health check", "ms")


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found."""

    medians: Medians
    plan: Plan
    runs: int
    problems: Sequence[str]
    of_one_run: Collection[str]
    """The figures that only one of the runs has."""
    judged: bool
    """Whether the thresholds are shown: a small run proves nothing about times."""

    def markdown(self) -> str:
        """Return the whole page."""
        parts = [
            self._figures(),
            self._settled(),
            self._thresholds() if self.judged else "",
            self._problems(),
            self._conditions(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def mark(self, figure: str) -> str:
        """Return what is said of ``figure`` where it is no median."""
        return " (one run)" if figure in self.of_one_run else ""

    def _figures(self) -> str:
        present = [contender for contender in CONTENDERS if contender.name in self.medians]
        peers = [contender for contender in present if contender is not HERALD]
        if HERALD.name not in self.medians:
            peers = []
        heads = [contender.title for contender in present]
        heads += [f"Herald ÷ {peer.title}" for peer in peers]
        lines = [f"| | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
        for row in rows(self.plan):
            cells = [_cell(self._value(contender, row), row) for contender in present]
            cells += [self._ratio(peer, row) for peer in peers]
            title = f"{row.title}, {row.unit}{self.mark(row.figure)}"
            lines.append(f"| {title} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _settled(self) -> str:
        figure = f"fanout.silent.{self.plan.watched}"
        theirs = self.medians.get(SETTLED.name, {}).get(figure)
        if theirs is None:
            return ""
        text = (
            "With its garbage collector settled as Herald's, Flask-SocketIO makes "
            f"{theirs:,.0f} deliveries/s to {self.plan.watched:,}"
        )
        ours = self.medians.get(HERALD.name, {}).get(figure)
        return (
            f"{text}: Herald makes {ours / theirs:.2f} × that." if ours and theirs else f"{text}."
        )

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
            says = f"{threshold.says}{self.mark(threshold.figure)}"
            lines.append(f"| {says} | {shown} | {wanted} | {verdict} |")
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
        medians = f"medians of {self.runs}" if self.runs > 1 else "one run"
        lines = [
            f"Measured {day_and_machine()}; {medians}; one process each, in turn.",
            f"{_versions()}.",
            f"The load client took at most {max(shares, default=0):.0%} of one core.",
        ]
        ceiling = self.medians.get(CEILING.name, {})
        for name, value in ceiling.items():
            if name.startswith("fanout.silent."):
                lines.append(f"It counts {value:,.0f} deliveries/s from a server of bare sends.")
        return " ".join(lines)


def _cell(value: float | None, row: Row) -> str:
    if value is None:
        return "–"
    return "never" if value == float("inf") else f"{value:,.{row.digits}f}"


def _versions() -> str:
    versions = package_versions(*_PACKAGES) + node_versions(NESTJS, *_NODE_PACKAGES)
    return ", ".join(versions)
