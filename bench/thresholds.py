"""What must be shown: ratios of medians from one run, so that the machine cancels out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.contenders import HERALD, NEST, STOCK

Medians = Mapping[str, Mapping[str, float]]
"""By contender, then by figure."""

STALL_SECONDS = 8.0
"""In what time a client that does not read must be gone: it is watched for as long."""
STALL_MB = 8.0
"""What it may cost until then; ``README.md`` says why so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One statement: Herald's ``figure`` must be at least, or at most, ``limit``.

    As it is; or, where one of them is named, as a multiple of the ``peer``'s or of Herald's own
    figure ``beside``.
    """

    says: str
    figure: str
    limit: float
    peer: str | None = None
    beside: str | None = None
    unit: str = "×"
    at_most: bool = False

    def measured(self, medians: Medians) -> float | None:
        """Return the value, or None where this run has not measured it."""
        try:
            value = medians[HERALD.name][self.figure]
            if self.peer or self.beside:
                value /= medians[self.peer or HERALD.name][self.beside or self.figure]
        except (KeyError, ZeroDivisionError):
            return None
        return value

    def holds(self, value: float) -> bool:
        """Say whether ``value`` is good enough."""
        return value <= self.limit if self.at_most else value >= self.limit


THRESHOLDS = (
    Threshold(
        says="fan-out to 1,000, silent, over Flask-SocketIO",
        figure="fanout.silent.1000",
        peer=STOCK.name,
        limit=6,
    ),
    Threshold(
        says="fan-out to 1,000, silent, over NestJS",
        figure="fanout.silent.1000",
        peer=NEST.name,
        limit=1.5,
    ),
    Threshold(
        says="fan-out to 1,000, a line a recipient, over NestJS with its Logger",
        figure="fanout.logged.1000",
        peer=NEST.name,
        limit=1.7,
    ),
    Threshold(
        says="publish, nobody listens, logging on, over NestJS with logging on",
        figure="publish.single",
        peer=NEST.name,
        limit=1.3,
    ),
    Threshold(
        says="events/s in batches of 100, over single",
        figure="publish.batch",
        beside="publish.single",
        limit=8,
    ),
    Threshold(
        says="p99 delivery to 1,000 at 20 events/s, over NestJS",
        figure="latency_p99_ms",
        peer=NEST.name,
        limit=1,
        at_most=True,
    ),
    Threshold(
        says="one client of 1,000 stops reading: p99 of the others, over before",
        figure="stalled_p99_ms",
        beside="stalled_before_p99_ms",
        limit=1.2,
        at_most=True,
    ),
    Threshold(
        says="… memory that it costs",
        figure="stalled_memory_mb",
        limit=STALL_MB,
        unit=" MB",
        at_most=True,
    ),
    Threshold(
        says="… it is gone after",
        figure="stalled_gone_s",
        limit=STALL_SECONDS,
        unit=" s",
        at_most=True,
    ),
    Threshold(
        says="10,000 idle sockets",
        figure="idle_mb.10000",
        limit=300,
        unit=" MB",
        at_most=True,
    ),
    Threshold(
        says="10,000 leave at once: GET /health/live meanwhile, the slowest",
        figure="leave_health_ms.10000",
        limit=250,
        unit=" ms",
        at_most=True,
    ),
)
