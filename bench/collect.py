"""``python -m bench.collect``: hits a second and how soon they are answered, beside a peer.

Each collector is started afresh in every run, in turn and in another order each time; what counts
is the median. Hits are counted in the database. Ends with 1 where Herald has lost or doubled one,
a request of its failed, or it could not be measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench.build import BENCH, CannotBuild, PackagesMissing, build_load_client, install_collector
from bench.client import LoadFailed
from bench.collect_bout import BARE, QUICK, Bout, Plan, measure_bare
from bench.collect_report import CollectReport
from bench.collectors import ENTRIES, PEER, TUNED, Entry
from bench.contenders import CannotStart
from bench.stores import ServiceMissing

DOCS = BENCH.parent / "docs"
PUBLISHED_RUNS = 3
MOST_SAID = 500


@dataclass(slots=True)
class Found:
    """What all the runs have found."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By collector, then by figure: a value of each run."""
    must_work: bool = bool(os.environ.get("HERALD_CI"))
    """Whether it is an error that the peer, or what one of them needs, is not there."""
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def take(self, bout: Bout, measure: Callable[[Bout], None]) -> None:
        """Have ``bout`` measured, and keep its figures and its problems."""
        began = time.monotonic()
        try:
            measure(bout)
        except ServiceMissing as error:
            # No fault of who needs it: an error only where everything must be there.
            self.problems.append(f"{bout.entry.title} was left out: {error}")
            _say(self.problems[-1])
            self.failed = self.failed or self.must_work
        except (CannotStart, LoadFailed) as error:
            bout.problems.append(f"{bout.entry.title}: {error}")
            self.failed = self.failed or self.must_work
        for problem in bout.problems:
            _say(problem)
        self.problems += bout.problems
        # The peer loses hits, as what it was built after does: that is said, and is no error here.
        self.failed = self.failed or (bool(bout.problems) and bout.entry.is_herald)
        figures = self.figures.setdefault(bout.entry.name, {})
        for figure, value in bout.figures.items():
            figures.setdefault(figure, []).append(value)
        _say(f"  {bout.entry.title}, {measure.__name__}: {time.monotonic() - began:.0f} s")


def main() -> int:
    """Measure, print, write."""
    # What was started is ended by the context managers, also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    plan = replace(Plan(), seconds=options.seconds, rate=options.rate_seconds)
    if options.quick:
        plan = QUICK
    runs = 1 if options.quick else options.runs
    found = Found()
    try:
        entries = _entries(options.only, found.problems)
    except CannotBuild as error:
        sys.exit(str(error))
    for number in range(runs):
        _say(f"run {number + 1} of {runs}")
        turn = number % len(entries)
        for entry in [*entries[turn:], *entries[:turn]]:
            found.take(Bout(entry, plan), Bout.throughput)
    if plan.rate:
        for entry in entries:
            if entry is not TUNED:
                found.take(Bout(entry, plan), Bout.latency)
    for figure, value in measure_bare(plan).items():
        found.figures.setdefault(BARE, {})[figure] = [value]
    report = CollectReport(found.figures, plan, runs, found.problems, judged=not options.quick)
    sys.stdout.write(report.markdown())
    whole = runs >= PUBLISHED_RUNS and not options.only and plan == Plan()
    _say(f"written to {report.write(DOCS if whole else BENCH / 'build')}")
    return 1 if found.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Herald's collector beside a peer.")
    parser.add_argument("--quick", action="store_true", help="small and once: does it all work?")
    parser.add_argument("--runs", type=int, default=PUBLISHED_RUNS, help="of the throughput (3)")
    plan = Plan()
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="of each load (8)")
    parser.add_argument(
        "--rate-seconds", type=float, default=plan.rate, help="at 500/s (60); 0 leaves it out"
    )
    names = [entry.name for entry in ENTRIES]
    parser.add_argument("--only", nargs="+", choices=names, help="docs/ stays as it is")
    return parser.parse_args()


def _entries(only: list[str] | None, problems: list[str]) -> list[Entry]:
    build_load_client()
    chosen = [entry for entry in ENTRIES if not only or entry.name in only]
    peers = [entry for entry in chosen if not entry.is_herald]
    if peers:
        try:
            install_collector()
        except PackagesMissing as error:
            if only:
                raise
            chosen = [entry for entry in chosen if entry.is_herald]
            problems.append(
                f"{PEER.title} was left out: {' '.join(str(error).split())[:MOST_SAID]}"
            )
            _say(problems[-1])
    return chosen


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
