"""The table of the collectors: what was measured, what it must be, under which conditions."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.build import COLLECTOR
from bench.collect_bout import BARE, BATCHES, PUBLISHERS, Plan
from bench.collectors import EMBEDDED, ENTRIES, PEER, TUNED, WITH_REDIS, Entry
from bench.conditions import day_and_machine, node_versions, package_versions

_PACKAGES = ("gunicorn", "SQLAlchemy", "redis")
_NODE_PACKAGES = ("express", "ioredis", "bullmq", "mysql2")

FASTER = {"single": 2.5, "batch": 20.0}
"""Hits a second that are stored, over the single ones that the peer answers."""
P99_MS = 15.0
_COUNTED = ("lost", "doubled")


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What the runs have found."""

    figures: Mapping[str, Mapping[str, Sequence[float]]]
    """By collector, then by figure: a value of each run."""
    plan: Plan
    runs: int
    problems: Sequence[str]
    judged: bool
    """Whether the thresholds are shown: a small run proves nothing about times."""

    def markdown(self) -> str:
        """Return what the page says."""
        parts = [
            self._table(),
            self._thresholds() if self.judged else "",
            self._tuned() if self.judged else "",
            "\n".join(f"- {problem}" for problem in dict.fromkeys(self.problems)),
            self._conditions(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, folder: Path) -> Path:
        """Write the page, and every single figure; return where."""
        folder.mkdir(exist_ok=True)
        (folder / "collect-bench.md").write_text(f"# The collector, measured\n\n{self.markdown()}")
        every = {
            name: {figure: [round(value, 3) for value in values] for figure, values in own.items()}
            for name, own in self.figures.items()
        }
        (folder / "collect-bench.json").write_text(json.dumps(every, indent=1) + "\n")
        return folder

    def value(self, entry: Entry, figure: str) -> float | None:
        """Return the median of a figure; of hits that were lost or doubled, all of them."""
        values = self.figures.get(entry.name, {}).get(figure)
        if not values:
            return None
        return sum(values) if figure in _COUNTED else statistics.median(values)

    def faster(self, entry: Entry, name: str, peer: Entry = PEER) -> float | None:
        """Return how many times as many hits Herald stores as the peer answers single ones.

        So the peer is spared the wait for its last batch, and what it loses; Herald is not.
        """
        ours, theirs = self.value(entry, f"stored.{name}"), self.value(peer, "answered.single")
        return ours / theirs if ours and theirs else None

    def _rows(self) -> Iterator[tuple[str, str, int]]:
        for name, batch in BATCHES.items():
            what = "single hits" if batch == 1 else f"batches of {batch}"
            yield f"answered.{name}", f"{what}: hits answered a second", 0
            yield f"stored.{name}", f"{what}: hits stored a second", 0
            yield f"{name}_p99_ms", f"{what}: p99 of the answers, ms", 1
        yield "lost", "hits lost, of all runs", 0
        yield "doubled", "hits doubled, of all runs", 0
        at = f"at {self.plan.per_second:,} single hits/s"
        yield "p50_ms", f"{at}: p50, ms", 2
        yield "p99_ms", f"{at}: p99, ms", 2
        yield "max_ms", f"{at}: the slowest, ms", 1

    def _table(self) -> str:
        present = [entry for entry in ENTRIES if entry.name in self.figures]
        heads = " | ".join(entry.title for entry in present)
        lines = [f"| | {heads} |", "|---" + "|--:" * len(present) + "|"]
        for figure, title, digits in self._rows():
            values = [self.value(entry, figure) for entry in present]
            cells = ("–" if value is None else f"{value:,.{digits}f}" for value in values)
            lines.append(f"| {title} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _thresholds(self) -> str:
        lines = [line for entry in (EMBEDDED, WITH_REDIS) for line in self._judged(entry)]
        if not lines:
            return ""
        return "\n".join(["| must be shown | measured | wanted | |", "|---|--:|--:|---|", *lines])

    def _tuned(self) -> str:
        ratios = [
            f"{entry.title}: {single:.2f}× single hits, {batched:.2f}× in batches"
            for entry in (EMBEDDED, WITH_REDIS)
            if (single := self.faster(entry, "single", TUNED)) is not None
            and (batched := self.faster(entry, "batch", TUNED)) is not None
        ]
        if not ratios:
            return ""
        return f"Over what the tuned peer answers, stored by {'; by '.join(ratios)}."

    def _judged(self, entry: Entry) -> Iterator[str]:
        for name, least in FASTER.items():
            ratio = self.faster(entry, name)
            if ratio is not None:
                what = "single hits" if BATCHES[name] == 1 else f"in batches of {BATCHES[name]}"
                says = f"{entry.title}: stored a second, {what}, over what the peer answers"
                yield f"| {says} | {ratio:.2f}× | ≥ {least:g}× | {_verdict(ratio >= least)} |"
        late = self.value(entry, "p99_ms")
        if late is not None:
            says = (
                f"{entry.title}: p99 at {self.plan.per_second}/s beside {self.plan.sockets} sockets"
            )
            yield f"| {says} | {late:.2f} ms | < {P99_MS:g} ms | {_verdict(late < P99_MS)} |"

    def _conditions(self) -> str:
        medians = f"medians of {self.runs}" if self.runs > 1 else "one run"
        shares = [
            max(values)
            for own in self.figures.values()
            for figure, values in own.items()
            if figure.startswith("cpu.")
        ]
        versions = package_versions(*_PACKAGES) + node_versions(COLLECTOR, *_NODE_PACKAGES)
        return (
            f"Measured {day_and_machine()}; throughput: {medians}, {self.plan.seconds:g} s each, in"
            f" turn, {PUBLISHERS} publishers on connections that are kept; latency: once,"
            f" {self.plan.rate:g} s, of Herald while {self.plan.sockets:,} sockets are connected."
            f" {', '.join(versions)}."
            f" The load client took at most {max(shares, default=0):.0%} of one core.{self._bare()}"
        )

    def _bare(self) -> str:
        """Return what is no collector's doing: on a busy machine p99 tells of the machine."""
        bare = self.figures.get(BARE, {})
        if not bare:
            return ""
        answered, p50, p99 = (bare[name][0] for name in ("answered.single", "p50_ms", "p99_ms"))
        return (
            f" A server that answers and does nothing else: {answered:,.0f} single hits/s;"
            f" at {self.plan.per_second:,}/s p50 {p50:.2f} ms, p99 {p99:.2f} ms."
        )


def _verdict(held: bool) -> str:
    return "held" if held else "**missed**"
