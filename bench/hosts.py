"""``python -m bench.hosts``: what one, two and three hosts carry that share events through Redis.

Each group of hosts is started afresh in every run, in turn and in another order each time; what
counts is the median. Ends with 1 where a delivery was lost, came twice or out of order, a post
failed, a 202 told of too few sockets, or it could not be measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass, field, replace

from redis.exceptions import RedisError

from bench.build import BENCH, CannotBuild, build_load_client
from bench.client import LoadFailed
from bench.contenders import CannotStart
from bench.hosts_bout import GROUPS, ONE, QUICK, THREE, Bout, Group, Plan
from bench.hosts_redis import stream_costs
from bench.hosts_report import HostsReport
from bench.stores import ServiceMissing

DOCS = BENCH.parent / "docs"
PUBLISHED_RUNS = 3
QUICK_GROUPS = (ONE, THREE)


@dataclass(slots=True)
class Found:
    """What all the runs have found."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def take(self, bout: Bout) -> None:
        """Have ``bout`` measured, and keep its figures and its problems."""
        began = time.monotonic()
        try:
            bout.run()
        except ServiceMissing:
            raise
        except (CannotStart, LoadFailed, OSError, RedisError) as error:
            bout.problems.append(f"{bout.group.title}: {error}")
        self.problems += bout.problems
        self.failed = self.failed or bool(bout.problems)
        own = self.figures.setdefault(bout.group.name, {})
        for figure, value in bout.figures.items():
            own.setdefault(figure, []).append(value)
        for problem in bout.problems:
            _say(problem)
        _say(f"  {bout.group.title}: {time.monotonic() - began:.0f} s")


def main() -> int:
    """Measure, print, write."""
    # What was started is ended by the context managers, also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    plan = QUICK if options.quick else replace(Plan(), seconds=options.seconds)
    runs = 1 if options.quick else options.runs
    groups = _groups(options.only, quick=options.quick)
    before = os.getloadavg()[0]
    found = Found()
    try:
        build_load_client()
        for number in range(runs):
            _say(f"run {number + 1} of {runs}")
            turn = number % len(groups)
            for group in [*groups[turn:], *groups[:turn]]:
                found.take(Bout(group, plan))
        costs = stream_costs(plan.entries, plan.readers)
    except ServiceMissing as error:
        _say(str(error))
        return 1 if os.environ.get("HERALD_CI") else 0
    except CannotBuild as error:
        sys.exit(str(error))
    load = f" Load of the machine before it: {before:.1f}."
    report = HostsReport(
        found.figures, costs, plan, runs, found.problems, judged=not options.quick, load=load
    )
    sys.stdout.write(report.markdown())
    whole = runs >= PUBLISHED_RUNS and not options.only and plan == Plan()
    _say(f"written to {report.write(DOCS if whole else BENCH / 'build')}")
    return 1 if found.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Herald on one host, two and three.")
    parser.add_argument("--quick", action="store_true", help="small and once: does it all work?")
    parser.add_argument("--runs", type=int, default=PUBLISHED_RUNS, help="how often (3)")
    seconds = Plan().seconds
    parser.add_argument("--seconds", type=float, default=seconds, help=f"of load ({seconds:g})")
    names = [group.name for group in GROUPS]
    parser.add_argument("--only", nargs="+", choices=names, help="docs/ stays as it is")
    return parser.parse_args()


def _groups(only: list[str] | None, *, quick: bool) -> list[Group]:
    if only:
        return [group for group in GROUPS if group.name in only]
    return list(QUICK_GROUPS if quick else GROUPS)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
