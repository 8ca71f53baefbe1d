"""Figures of what is on its way to a destination: records by logger, and hits."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

from logger_lib import BufferState, Counters, Durations, JsonObject, LoggerFactory
from webapp.collect.collector import Collector
from webapp.collect.stream.lag_watch import LagWatch
from webapp.metrics.families import Figures, counter, counters, gauge, gauges, histogram, histograms

UNKNOWN = "unknown"
"""The state of a logger whose factory does not tell it."""

Numbers = Mapping[str, float]
"""By logger."""


class _Fate(NamedTuple):
    """One of the ``Counters``, of records as of hits."""

    name: str
    tells: str
    of: Callable[[Counters], int]


_FATES: Sequence[_Fate] = (
    _Fate("written", "stored by the destination", lambda found: found.written),
    _Fate("dropped", "lost for want of room, or at the end", lambda found: found.dropped),
    _Fate("failed", "lost: refused or given up, and kept nowhere", lambda found: found.failed),
    _Fate("dead", "refused for good and kept as dead letters", lambda found: found.dead),
    _Fate("spooled", "put into the spool on disk, or found there", lambda found: found.spooled),
    _Fate("replayed", "gone from the spool again", lambda found: found.replayed),
    _Fate("retried", "given to a destination that had just failed", lambda found: found.retried),
)


class _Level(NamedTuple):
    """One number of a ``BufferState``, of records as of hits."""

    name: str
    tells: str
    of: Callable[[BufferState], float]


_LEVELS: Sequence[_Level] = (
    _Level("waiting", "wait in memory", lambda state: state.waiting),
    _Level("waiting_limit", "may wait before calls are refused", lambda state: state.max_waiting),
    _Level("waiting_bytes", "wait in memory, in bytes", lambda state: state.waiting_bytes),
    _Level(
        "waiting_limit_bytes",
        "may wait before calls are refused, in bytes",
        lambda state: state.max_waiting_bytes,
    ),
    _Level("spool_bytes", "this process has on disk, in bytes", lambda state: state.spool_bytes),
    _Level(
        "spool_limit_bytes",
        "may be on disk, with those of other processes, in bytes",
        lambda state: state.max_spool_bytes,
    ),
)


def state_told(state: BufferState, counters: Counters) -> JsonObject:
    """Return how a buffer is, for who asks whether Herald is well."""
    told: JsonObject = {
        "state": state.name,
        "waiting": state.waiting,
        "waitingBytes": state.waiting_bytes,
        "mostWaiting": state.max_waiting,
        "spoolBytes": state.spool_bytes,
        "mostSpoolBytes": state.max_spool_bytes,
        "dead": counters.dead,
        "lost": counters.lost,
    }
    if state.failing_since is not None:
        told["since"] = state.failing_since.isoformat()
    return told


class LoggerFigures:
    """Reads what the factories of the loggers count."""

    def __init__(self, factories: Mapping[str, LoggerFactory], raised: Callable[[], int]) -> None:
        """``raised`` says how often a logger raised instead of taking a record."""
        self._factories = factories
        self._raised = raised

    def seen(self) -> JsonObject:
        """Return how each logger is, for who asks whether Herald is well."""
        found = self._read()
        return {
            name: state_told(*found[name]) if name in found else {"state": UNKNOWN}
            for name in self._factories
        }

    def _read(self) -> Mapping[str, tuple[BufferState, Counters]]:
        found: dict[str, tuple[BufferState, Counters]] = {}
        for name, factory in self._factories.items():
            # A third party's may raise anything; of the others is told all the same.
            with suppress(Exception):
                found[name] = factory.state, factory.counters
        return found

    def collect(self) -> Figures:
        """Return the figures, each by logger."""
        read = self._read()
        states = {name: state for name, (state, _) in read.items()}
        found = {name: counted for name, (_, counted) in read.items()}
        yield _of_loggers("taken", "logged, or found in the spool", _each(found, _taken))
        for fate in _FATES:
            yield _of_loggers(fate.name, fate.tells, _each(found, fate.of))
        for level in _LEVELS:
            values = {name: level.of(state) for name, state in states.items()}
            yield gauges(
                f"herald_logger_{level.name}", f"Records that {level.tells}.", "logger", values
            )
        yield gauges(
            "herald_logger_failing",
            "1 where the destination has failed the last time.",
            "logger",
            {name: float(state.failing_since is not None) for name, state in states.items()},
        )
        yield from _troubles_of_loggers(found)
        yield counter(
            "herald_logger_raised_total",
            "Records that a logger raised for instead of taking them.",
            self._raised(),
        )


def _troubles_of_loggers(found: Mapping[str, Counters]) -> Figures:
    yield counters(
        "herald_logger_outages_total",
        "How often the destination was given up for a while.",
        "logger",
        _each(found, lambda counted: counted.opened),
    )
    yield counters(
        "herald_logger_torn_lines_total",
        "Lines of the spool that could not be read.",
        "logger",
        _each(found, lambda counted: counted.torn),
    )
    writes: dict[str, Durations] = {name: counted.writes for name, counted in found.items()}
    yield histograms(
        "herald_logger_flush_seconds",
        "How long the destination took for a batch, with success or not.",
        "logger",
        writes,
    )


class HitFigures:
    """Reads what the collector counts, and what Redis says of the hits that wait there."""

    def __init__(self, collector: Collector, watch: LagWatch | None) -> None:
        self._collector = collector
        self._watch = watch

    def seen(self) -> JsonObject:
        """Return how collecting is, for who asks whether Herald is well."""
        told = state_told(self._collector.state, self._collector.counters)
        return told if self._watch is None else {**told, **self._watch.seen()}

    def collect(self) -> Figures:
        """Return the figures of hits."""
        found, state = self._collector.counters, self._collector.state
        yield counter(
            "herald_hits_accepted_total", "Hits taken, or found in the spool.", found.taken
        )
        for fate in _FATES:
            yield counter(f"herald_hits_{fate.name}_total", f"Hits {fate.tells}.", fate.of(found))
        for level in _LEVELS:
            yield gauge(f"herald_hits_{level.name}", f"Hits that {level.tells}.", level.of(state))
        yield gauge(
            "herald_hits_failing",
            "1 where the database, or Redis, has failed the last time.",
            float(state.failing_since is not None),
        )
        yield histogram(
            "herald_hits_flush_seconds",
            "How long the database, or Redis, took for a batch of hits.",
            found.writes,
        )
        yield from self._lag()

    def _lag(self) -> Figures:
        if self._watch is None:
            return
        lag = self._watch.lag
        yield gauge(
            "herald_hits_redis_up", "1 where Redis told how many hits wait there.", lag is not None
        )
        if lag is None:
            return
        yield gauge("herald_hits_lag", "Hits in Redis that no worker has stored yet.", lag.entries)
        yield gauge(
            "herald_hits_lag_seconds", "How long the first of them has been there.", lag.oldest
        )
        yield gauge(
            "herald_hits_pending", "Those of them that a worker has been given.", lag.pending
        )
        yield gauge(
            "herald_hits_dead_letters", "Hits that workers have set aside in Redis.", lag.dead
        )


def _of_loggers(fate: str, tells: str, values: Numbers) -> Metric:
    return counters(f"herald_logger_records_{fate}_total", f"Records {tells}.", "logger", values)


def _each(found: Mapping[str, Counters], number: Callable[[Counters], int]) -> Numbers:
    return {name: number(counted) for name, counted in found.items()}


def _taken(found: Counters) -> int:
    return found.taken
