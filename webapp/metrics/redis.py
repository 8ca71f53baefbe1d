"""Figures of the Redis that hosts share, as those see it who ask it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from logger_lib import JsonObject
from webapp.metrics.families import Figures, counters, gauge

if TYPE_CHECKING:
    from webapp.hosts.link import HostLink


class RedisFigures:
    """Reads what who asks Redis counts; ``failures`` says how often it did not answer whom.

    ``passed_over`` says whose calls had no time left to ask it.
    """

    def __init__(
        self,
        link: HostLink,
        failures: Mapping[str, Callable[[], int]],
        passed_over: Mapping[str, Callable[[], int]],
    ) -> None:
        self._link = link
        self._passed_over = passed_over
        self._failures = {"hosts": lambda: link.status().failures, **failures}

    def seen(self) -> JsonObject:
        """Return whether it answers, for who asks whether Herald is well."""
        out_since = self._link.status().out_since
        failures: JsonObject = {who: count() for who, count in self._failures.items()}
        if out_since is None:
            return {"state": "ok", "failures": failures}
        return {"state": "out of reach", "since": out_since.isoformat(), "failures": failures}

    def collect(self) -> Figures:
        """Return the figures."""
        yield gauge(
            "herald_redis_up",
            "1 where Redis has answered the line to the other hosts the last time.",
            self._link.status().out_since is None,
        )
        yield counters(
            "herald_redis_failures_total",
            "How often Redis did not answer in time, or refused, by who asked.",
            "by",
            {who: count() for who, count in self._failures.items()},
        )
        yield counters(
            "herald_redis_passed_over_total",
            "How often Redis was not asked, as the call had waited for as long as it may.",
            "by",
            {who: count() for who, count in self._passed_over.items()},
        )
