"""Figures of who was let in, and what was too much."""

from logger_lib import JsonObject
from webapp.access.gate import Gate
from webapp.access.rate_limits import RateLimits
from webapp.access.refusals import Refusals
from webapp.metrics.families import Figures, counter, counters, gauge


class AccessFigures:
    """Reads what the gate, the rate limits and the audit of refusals count."""

    def __init__(self, gate: Gate, limits: RateLimits, refusals: Refusals) -> None:
        self._gate = gate
        self._limits = limits
        self._refusals = refusals

    def seen(self) -> JsonObject:
        """Return what was refused, for who asks whether Herald is well."""
        return {
            "refused": self._gate.counts().refused,
            "beyondRateLimits": sum(self._limits.refused.values()),
        }

    def collect(self) -> Figures:
        """Return the figures."""
        found, windows = self._gate.counts(), self._limits.windows
        yield counters(
            "herald_gate_calls_total",
            "Keys looked at: decided from memory, by a look into the database, or on old news.",
            "by",
            {"memory": found.hits, "database": found.misses, "old_news": found.stale},
        )
        yield counter(
            "herald_gate_refused_total", "Calls refused, as their key was not good.", found.refused
        )
        yield counters(
            "herald_rate_limit_refused_total",
            "Calls beyond a rate limit, by what is limited.",
            "limit",
            dict(self._limits.refused),
        )
        yield gauge("herald_rate_limit_windows", "Windows that are counted in.", windows.held)
        yield counter(
            "herald_rate_limit_windows_evicted_total",
            "Windows that went before their time, as there were too many.",
            windows.evicted,
        )
        yield counter(
            "herald_audit_left_out_total",
            "Refusals that the audit trail only counts, as there were too many.",
            self._refusals.left_out,
        )
