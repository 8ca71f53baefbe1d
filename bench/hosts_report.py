"""The page about several hosts: what they carry together, and what they cost each other."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.conditions import day_and_machine, package_versions
from bench.hosts_bout import ALONE, GROUPS, ONE, SHOWN_HOSTS, THREE, TWO, Group, Plan
from bench.hosts_redis import BATCH, EVENT_BYTES

LEAST_RATIO = 1.6
_MICROSECONDS = 1_000_000
_SUMMED = ("shown.posts", "shown.deliveries", "shown.lost", "shown.doubled", "shown.disordered")


@dataclass(frozen=True, slots=True)
class HostsReport:
    """What the runs have found."""

    figures: Mapping[str, Mapping[str, Sequence[float]]]
    """By group, then by figure: a value of each run."""
    redis: Mapping[str, float]
    """Microseconds of Redis an entry, by how it is appended and how many read."""
    plan: Plan
    runs: int
    problems: Sequence[str]
    judged: bool
    """Whether the ratios are shown: a small run proves nothing about times."""
    load: str = ""
    """What else the machine had to do."""

    def markdown(self) -> str:
        """Return what the page says."""
        parts = [
            self._shown(),
            self._table(),
            self._ratios() if self.judged else "",
            self._model() if self.judged else "",
            self._redis_table(),
            "\n".join(f"- {problem}" for problem in dict.fromkeys(self.problems)),
            self._conditions(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, folder: Path) -> Path:
        """Write the page, and every single figure; return where."""
        folder.mkdir(exist_ok=True)
        (folder / "hosts-bench.md").write_text(f"# Several hosts, measured\n\n{self.markdown()}")
        every: dict[str, Mapping[str, Sequence[float]]] = {
            name: {figure: [round(value, 3) for value in values] for figure, values in own.items()}
            for name, own in self.figures.items()
        }
        every["redis"] = {name: [round(value, 3)] for name, value in self.redis.items()}
        (folder / "hosts-bench.json").write_text(json.dumps(every, indent=1) + "\n")
        return folder

    def value(self, group: Group, figure: str) -> float | None:
        """Return the median of a figure; of what must be shown, the sum."""
        values = self.figures.get(group.name, {}).get(figure)
        if not values:
            return None
        return sum(values) if figure in _SUMMED else statistics.median(values)

    def ratio(self, figure: str, group: Group, base: Group) -> float | None:
        """Return how many times the ``figure`` of ``base`` that of ``group`` is."""
        ours, theirs = self.value(group, figure), self.value(base, figure)
        return ours / theirs if ours and theirs else None

    def corrected(self, group: Group, base: Group) -> float | None:
        """Return the same of the deliveries, had every host had a core of its own.

        What a host delivers in a second of its processor's time, times the hosts.
        """
        ratio = self.ratio("of_a_core", group, base)
        return ratio and ratio * group.hosts / base.hosts

    def a_delivery(self) -> float | None:
        """Return what one delivery costs one host alone, in µs: all but the post itself."""
        of_a_core, post = self.value(ALONE, "of_a_core"), self.value(ALONE, "publish_us")
        if of_a_core is None or post is None:
            return None
        return _MICROSECONDS / of_a_core - post / self.plan.sockets

    def predicted(self, group: Group) -> float | None:
        """Return how many deliveries a second of a host's processor time should make in ``group``.

        By the model of docs/scaling.md: one host takes the post, each other one hears of it, and
        all deliveries cost what they cost one host alone.
        """
        delivery, post = self.a_delivery(), self.value(group, "publish_us")
        hearing = 0.0 if group.hosts == 1 else self.value(group, "hear_us")
        if delivery is None or post is None or hearing is None:
            return None
        sockets = self.plan.sockets
        event = post + (group.hosts - 1) * hearing + sockets * delivery
        return sockets * _MICROSECONDS / event

    def _shown(self) -> str:
        values = [self.value(THREE, figure) for figure in _SUMMED]
        if None in values:
            return ""
        cells = " | ".join(f"{value:,.0f}" for value in values if value is not None)
        return (
            f"{SHOWN_HOSTS} hosts, {self.plan.sockets:,} sockets, events posted to them in turn by"
            f" {self.plan.publishers} publishers, of {self._runs()}:\n\n"
            "| posted | delivered | lost | twice | out of a publisher's order |\n"
            f"|--:|--:|--:|--:|--:|\n| {cells} |"
        )

    def _rows(self) -> Iterator[tuple[str, str, int]]:
        yield "deliveries", f"deliveries/s to {self.plan.sockets:,} sockets in all", 0
        yield "posts", "events/s, each to all of them", 0
        yield "of_a_core", "deliveries in a second of a host's processor time", 0
        for number in range(1, SHOWN_HOSTS + 1):
            yield f"cpu.host{number}", f"cores taken by host {number}", 2
        yield "cpu.redis", "… by Redis", 3
        yield "cpu.client", "… by the load client", 2
        yield "cpu.elsewhere", "… by whatever else ran", 2
        yield "cpu.left", "share of the machine that was left", 2
        at = f"at {self.plan.per_second} events/s"
        for share in ("p50", "p99"):
            yield f"post_{share}_ms", f"{at}: a post, {share}, ms", 1
            yield f"own_{share}_ms", f"{at}: post to socket, same host, {share}, ms", 1
            yield f"others_{share}_ms", f"{at}: post to socket, another host, {share}, ms", 1
        yield "publish", "events/s to one host, nobody listens", 0
        yield "publish_us", "… processor time there, µs an event", 0
        yield "hear_us", "… at each other host, µs an event", 0
        yield "publish_redis_us", "… of Redis, µs an event", 0
        yield "unreached", "posts whose 202 did not wait for all hosts any longer", 0

    def _table(self) -> str:
        present = [group for group in GROUPS if group.name in self.figures]
        heads = " | ".join(group.title for group in present)
        lines = [f"| hosts | {heads} |", "|---" + "|--:" * len(present) + "|"]
        for figure, title, digits in self._rows():
            values = [self.value(group, figure) for group in present]
            if any(value is not None for value in values):
                cells = ("–" if value is None else f"{value:,.{digits}f}" for value in values)
                lines.append(f"| {title} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _ratios(self) -> str:
        lines = ["| deliveries/s | as it is | a core for each host | wanted | |"]
        lines.append("|---|--:|--:|--:|---|")
        for group, base, least in ((TWO, ONE, LEAST_RATIO), (TWO, ALONE, None), (ONE, ALONE, None)):
            plain, corrected = self.ratio("deliveries", group, base), self.corrected(group, base)
            if plain is None or corrected is None:
                continue
            wanted = "–" if least is None else f"≥ {least:g}×"
            verdict = "" if least is None else _verdict(corrected >= least)
            says = f"{group.title} over {base.title}"
            lines.append(f"| {says} | {plain:.2f}× | {corrected:.2f}× | {wanted} | {verdict} |")
        return "\n".join(lines)

    def _model(self) -> str:
        delivery = self.a_delivery()
        lines = [
            "| deliveries in a second of a host's processor time | by the model | measured | |"
        ]
        lines.append("|---|--:|--:|--:|")
        for group in (ONE, TWO, THREE):
            predicted, measured = self.predicted(group), self.value(group, "of_a_core")
            if predicted is not None and measured is not None:
                off = predicted / measured - 1
                lines.append(f"| {group.title} | {predicted:,.0f} | {measured:,.0f} | {off:+.0%} |")
        if delivery is None or len(lines) == 2:
            return ""
        return f"A delivery costs a host {delivery:.1f} µs.\n\n" + "\n".join(lines)

    def _redis_table(self) -> str:
        if not self.redis:
            return ""
        lines = [
            f"| readers | µs of Redis an entry, one at a time | … {BATCH} at a time |"
            " entries/s a core of Redis carries, one at a time | … in batches |",
            "|--:|--:|--:|--:|--:|",
        ]
        for readers in self.plan.readers:
            single, batch = self.redis[f"single.{readers}"], self.redis[f"batch.{readers}"]
            carries = " | ".join(f"{_MICROSECONDS / cost:,.0f}" for cost in (single, batch))
            lines.append(f"| {readers} | {single:.0f} | {batch:.1f} | {carries} |")
        return "\n".join(lines)

    def _runs(self) -> str:
        return "one run" if self.runs == 1 else f"{self.runs} runs"

    def _conditions(self) -> str:
        return (
            f"Measured {day_and_machine()}; {self._runs()}, medians, {self.plan.seconds:g} s each;"
            f" hosts, Redis and the load client on the same machine. An entry of the last table has"
            f" {EVENT_BYTES} bytes. {', '.join(package_versions('redis', 'eventlet'))}.{self.load}"
        )


def _verdict(held: bool) -> str:
    return "held" if held else "**missed**"
