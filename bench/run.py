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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.build import BENCH, CannotBuild, build_load_client, build_nestjs
from bench.client import LoadFailed
from bench.contenders import CEILING, CONTENDERS, HERALD, NEST, CannotStart, Contender
from bench.picture import draw
from bench.report import Report
from bench.workloads import QUICK, Bout, Plan

DOCS = BENCH.parent / "docs"
SPARE_DESCRIPTORS = 2_000
MIN_RUNS, PUBLISHED_RUNS, MAX_RUNS = 1, 5, 25

Found = dict[str, dict[str, list[float]]]


def main() -> int:
    """Measure, print, write."""
    # What was started is ended by the context managers, also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    plan = QUICK if options.quick else Plan()
    _allow_descriptors(max(plan.sizes) + SPARE_DESCRIPTORS)
    problems: list[str] = []
    try:
        contenders = _contenders(options.only, problems)
    except CannotBuild as error:
        sys.exit(str(error))
    runs = 1 if options.quick else options.runs
    found: Found = {}
    for number in range(runs):
        _say(f"run {number + 1} of {runs}")
        turn = number % len(contenders)
        now = plan if number < plan.large_runs else replace(plan, sizes=plan.sizes[:-1])
        _one_run([*contenders[turn:], *contenders[:turn]], now, found, problems)
    medians = {
        name: {figure: statistics.median(values) for figure, values in figures.items()}
        for name, figures in found.items()
    }
    report = Report(medians, plan.sizes, plan.watched, runs, problems)
    sys.stdout.write(report.markdown())
    _write(DOCS if _is_whole(options) else BENCH / "build", report, found)
    # What goes wrong with a peer is said; only what goes wrong with Herald is an error.
    return 1 if any(problem.startswith(HERALD.title) for problem in problems) else 0


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
        except CannotBuild as error:
            if only:
                raise
            chosen.remove(NEST)
            problems.append(f"NestJS was left out: {error}")
    return chosen


def _one_run(
    contenders: Sequence[Contender], plan: Plan, found: Found, problems: list[str]
) -> None:
    for contender in contenders:
        began = time.monotonic()
        _collect(Bout(contender, plan), found, problems)
        _say(f"  {contender.title}: {time.monotonic() - began:.0f} s")
    ceiling = Bout(CEILING, plan)
    ceiling.run_fanout(plan.watched)
    _keep(ceiling, found)


def _collect(bout: Bout, found: Found, problems: list[str]) -> None:
    try:
        bout.run()
    except (CannotStart, LoadFailed) as error:
        bout.problems.append(f"{bout.contender.title}: {error}")
    for problem in bout.problems:
        _say(problem)
    problems += bout.problems
    _keep(bout, found)


def _keep(bout: Bout, found: Found) -> None:
    figures = found.setdefault(bout.contender.name, {})
    for figure, value in bout.figures.items():
        figures.setdefault(figure, []).append(value)


def _write(folder: Path, report: Report, found: Mapping[str, Mapping[str, list[float]]]) -> None:
    folder.mkdir(exist_ok=True)
    page = f"# Measured\n\n![Deliveries per second](bench.svg)\n\n{report.markdown()}"
    (folder / "bench.md").write_text(page)
    (folder / "bench.svg").write_text(draw(report.medians, report.sizes))
    every = {
        name: {figure: [_plain(value) for value in values] for figure, values in figures.items()}
        for name, figures in found.items()
    }
    (folder / "bench.json").write_text(json.dumps(every, indent=1) + "\n")
    _say(f"written to {folder}")


def _plain(value: float) -> float | None:
    return None if value == float("inf") else round(value, 3)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
