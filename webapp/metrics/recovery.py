"""Figures of clients that come back for what they missed."""

from logger_lib import JsonObject
from webapp.metrics.families import Figures, counter, counters, gauge
from webapp.realtime.history import MAX_BYTES, MAX_EVENTS
from webapp.realtime.recovery import Recovery


class RecoveryFigures:
    """Reads what recovery counts."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery

    def seen(self) -> JsonObject:
        """Return what is kept and what came of it, for who asks whether Herald is well."""
        status = self._recovery.status()
        return {
            "events": status.events,
            "bytes": status.size,
            "eventsGivenUp": status.events_given_up,
            "sessions": status.sessions,
            "sessionsGivenUp": status.sessions_given_up,
            "recovered": status.recovered,
            "refused": {why.value: count for why, count in status.refused.items() if count},
            "cutOff": status.cut_off,
        }

    def collect(self) -> Figures:
        """Return the figures."""
        status = self._recovery.status()
        yield gauge("herald_recovery_events", "Events kept for who comes back.", status.events)
        yield gauge("herald_recovery_events_limit", "Events that may be kept.", MAX_EVENTS)
        yield gauge("herald_recovery_bytes", "What they take.", status.size)
        yield gauge("herald_recovery_limit_bytes", "What they may take.", MAX_BYTES)
        yield gauge(
            "herald_recovery_sessions", "Sessions of clients that are away.", status.sessions
        )
        yield counters(
            "herald_recovery_given_up_total",
            "What was given up before its time, as there was no room.",
            "what",
            {"events": status.events_given_up, "sessions": status.sessions_given_up},
        )
        yield counter(
            "herald_recovery_recovered_total", "Clients that got all they missed.", status.recovered
        )
        yield counters(
            "herald_recovery_refused_total",
            "Clients that came back and began anew.",
            "reason",
            {why.name.lower(): count for why, count in status.refused.items()},
        )
        yield counter(
            "herald_recovery_given_total", "Events given to clients that came back.", status.given
        )
        yield counter(
            "herald_recovery_cut_off_total",
            "Clients ended while they caught up, as events went away before them.",
            status.cut_off,
        )
