"""``python -m bench.run``: measures Herald and its peers, and prints a table with the ratios.

Every contender is measured in every run, in turn and in another order each time; what counts is
the median. Ends with 1 where Herald lost a delivery or a line, or could not be measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.build import BENCH, CannotBuild, PackagesMissing, build_load_client, build_nestjs
from bench.client import LoadFailed
from bench.contenders import (
    CEILING,
    CONTENDERS,
    HERALD,
    NEST,
    SETTLED,
    STOCK,
    CannotStart,
    Contender,
)
from bench.picture import draw
from bench.report import Report
from bench.workloads import QUICK, Bout, Plan

DOCS = BENCH.parent / "docs"
SPARE_DESCRIPTORS = 2_000
MOST_SAID = 500
MIN_RUNS, PUBLISHED_RUNS, MAX_RUNS = 1, 5, 25


@dataclass(slots=True)
class Found:
    """What all the runs have found."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By contender, then by figure: a value of each run."""
    problems: list[str] = field(default_factory=list)
    failed: bool = False
    """Whether Herald lost something, or anyone could not be measured where all should be."""

    def take(self, bout: Bout, measure: Callable[[Bout], None], *, must_work: bool) -> None:
        """Have ``bout`` measured, and keep its figures and its problems."""
        try:
            measure(bout)
        except (CannotStart, LoadFailed) as error:
            bout.problems.append(f"{bout.contender.title}: {error}")
            self.failed = self.failed or must_work
        for problem in bout.problems:
            _say(problem)
        self.problems += bout.problems
        # What goes wrong with a peer is said; only what goes wrong with Herald is an error.
        self.failed = self.failed or (bool(bout.problems) and bout.contender is HERALD)
        figures = self.figures.setdefault(bout.contender.name, {})
        for figure, value in bout.figures.items():
            figures.setdefault(figure, []).append(value)

    def medians(self) -> dict[str, dict[str, float]]:
        """Return the median of each figure."""
        return {
            name: {figure: statistics.median(values) for figure, values in figures.items()}
            for name, figures in self.figures.items()
        }

    def of_one_run(self, runs: int) -> set[str]:
        """Return the figures that were measured in one of ``runs`` alone."""
        return {
            figure
            for figures in self.figures.values()
            for figure, values in figures.items()
            if len(values) == 1 < runs
        }


def main() -> int:
    """Measure, print, write."""
    # What was started is ended by the context managers, also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    plan = QUICK if options.quick else Plan()
    _allow_descriptors(plan.large + SPARE_DESCRIPTORS)
    found = Found()
    try:
        contenders = _contenders(options.only, found.problems)
    except CannotBuild as error:
        sys.exit(str(error))
    runs = 1 if options.quick else options.runs
    for number in range(runs):
        _say(f"run {number + 1} of {runs}")
        turn = number % len(contenders)
        in_turn = [*contenders[turn:], *contenders[:turn]]
        for bout, measure in _bouts(in_turn, plan, with_large=number == 0):
            began = time.monotonic()
            found.take(bout, measure, must_work=options.quick)
            _say(f"  {bout.contender.title}: {time.monotonic() - began:.0f} s")
    report = Report(
        found.medians(),
        plan,
        runs,
        found.problems,
        found.of_one_run(runs),
        judged=not options.quick,
    )
    sys.stdout.write(report.markdown())
    _write(DOCS if _is_whole(options) else BENCH / "build", report, found)
    return 1 if found.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Herald beside its peers.")
    parser.add_argument("--quick", action="store_true", help="small and once: does it all work?")
    parser.add_argument("--runs", type=_runs, default=PUBLISHED_RUNS, help="how often (5)")
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", choices=names, help="one contender alone; docs/ stays as it is")
    return parser.parse_args()


def _runs(text: str) -> int:
    runs = int(text)
    if not MIN_RUNS <= runs <= MAX_RUNS:
        raise argparse.ArgumentTypeError(f"{MIN_RUNS} to {MAX_RUNS}")
    return runs


def _is_whole(options: argparse.Namespace) -> bool:
    return not options.quick and options.only is None and options.runs >= PUBLISHED_RUNS


def _allow_descriptors(needed: int) -> None:
    # The children inherit it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY,) and hard < needed:
        sys.exit(f"The bench opens {needed:,} sockets; the limit is {hard:,}: ulimit -n {needed}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _contenders(only: str | None, problems: list[str]) -> list[Contender]:
    build_load_client()
    chosen = [contender for contender in CONTENDERS if only in (None, contender.name)]
    if NEST in chosen:
        try:
            build_nestjs()
        except PackagesMissing as error:
            if only:
                raise
            chosen.remove(NEST)
            problems.append(f"NestJS was left out: {' '.join(str(error).split())[:MOST_SAID]}")
            _say(problems[-1])
    return chosen


def _bouts(
    contenders: Sequence[Contender], plan: Plan, *, with_large: bool
) -> Iterator[tuple[Bout, Callable[[Bout], None]]]:
    """Yield one run: who is measured, and how much of it."""
    for contender in contenders:
        yield Bout(contender, plan, with_large), Bout.run
        if contender is STOCK:
            yield Bout(SETTLED, plan, with_large), Bout.run_fanout
    yield Bout(CEILING, plan, with_large), Bout.run_fanout


def _write(folder: Path, report: Report, found: Found) -> None:
    folder.mkdir(exist_ok=True)
    page = f"# Measured\n\n![Deliveries per second](bench.svg)\n\n{report.markdown()}"
    (folder / "bench.md").write_text(page)
    (folder / "bench.svg").write_text(draw(report))
    every = {
        name: {figure: [_plain(value) for value in values] for figure, values in figures.items()}
        for name, figures in found.figures.items()
    }
    (folder / "bench.json").write_text(json.dumps(every, indent=1) + "\n")
    _say(f"written to {folder}")


def _plain(value: float) -> float | None:
    return None if value == float("inf") else round(value, 3)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
