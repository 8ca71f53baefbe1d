"""What must be shown: ratios of medians from one run, so that the machine cancels out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.contenders import HERALD, NEST, STOCK

Medians = Mapping[str, Mapping[str, float]]
"""By contender, then by figure."""

STALL_SECONDS = 10.0
"""In what time a client that does not read must be gone."""
STALL_MB = 32.0
"""What it may cost until then."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One statement: ``value`` of the medians must be at least, or at most, ``limit``."""

    says: str
    value: Callable[[Medians], float]
    limit: float
    unit: str = "×"
    at_most: bool = False

    def measured(self, medians: Medians) -> float | None:
        """Return the value, or None where this run has not measured it."""
        try:
            return self.value(medians)
        except (KeyError, ZeroDivisionError):
            return None

    def holds(self, value: float) -> bool:
        """Say whether ``value`` is good enough."""
        return value <= self.limit if self.at_most else value >= self.limit


def _over(figure: str, peer: str) -> Callable[[Medians], float]:
    return lambda medians: medians[HERALD.name][figure] / medians[peer][figure]


def _own(figure: str) -> Callable[[Medians], float]:
    return lambda medians: medians[HERALD.name][figure]


def _within(figure: str, other: str) -> Callable[[Medians], float]:
    return lambda medians: medians[HERALD.name][figure] / medians[HERALD.name][other]


THRESHOLDS = (
    Threshold(
        "fan-out to 1,000, silent, over Flask-SocketIO", _over("fanout.silent.1000", STOCK.name), 6
    ),
    Threshold("fan-out to 1,000, silent, over NestJS", _over("fanout.silent.1000", NEST.name), 1.5),
    Threshold(
        "fan-out to 1,000, a line a recipient, over NestJS",
        _over("fanout.logged.1000", NEST.name),
        1.7,
    ),
    Threshold(
        "publish, nobody listens, logging on, over NestJS", _over("publish.single", NEST.name), 1.3
    ),
    Threshold(
        "events/s in batches of 100, over single", _within("publish.batch", "publish.single"), 8
    ),
    Threshold(
        "p99 delivery to 1,000 at 20 events/s, over NestJS",
        _over("latency_p99_ms", NEST.name),
        1,
        at_most=True,
    ),
    Threshold(
        "one client stops reading: p99 of the others, over before",
        _within("stalled_p99_ms", "stalled_before_p99_ms"),
        1.2,
        at_most=True,
    ),
    Threshold("… memory that it costs", _own("stalled_memory_mb"), STALL_MB, " MB", at_most=True),
    Threshold("… it is gone after", _own("stalled_gone_s"), STALL_SECONDS, " s", at_most=True),
    Threshold("10,000 idle sockets", _own("idle_mb.10000"), 300, " MB", at_most=True),
    Threshold(
        "10,000 leave at once: GET /health/live within",
        _own("leave_health_ms.10000"),
        250,
        " ms",
        at_most=True,
    ),
)
