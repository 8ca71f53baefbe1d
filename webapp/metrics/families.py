"""Figures in the form of Prometheus: made when they are asked for, from what is counted elsewhere.

No label has a value from outside: no app, room, event or address, of which there are any number.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric

from logger_lib import Durations, JsonObject

Figures = Iterable[Metric]


class Part(Protocol):
    """A part of Herald of which is told how it is. Neither call may wait for anything."""

    def collect(self) -> Figures:
        """Return its figures as they are now, for Prometheus."""
        ...

    def seen(self) -> JsonObject:
        """Return how it is, for who asks whether Herald is well."""
        ...


def gauge(name: str, tells: str, value: float) -> Metric:
    """Return a number that goes up and down."""
    return GaugeMetricFamily(name, tells, value)


def gauges(name: str, tells: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return such a number for each value of ``label``."""
    family = GaugeMetricFamily(name, tells, labels=[label])
    for value_of_label, value in values.items():
        family.add_metric([value_of_label], value)
    return family


def counter(name: str, tells: str, value: float) -> Metric:
    """Return a number that only grows; ``name`` ends in ``_total``."""
    return CounterMetricFamily(name, tells, value)


def counters(name: str, tells: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return such a number for each value of ``label``."""
    family = CounterMetricFamily(name, tells, labels=[label])
    for value_of_label, value in values.items():
        family.add_metric([value_of_label], value)
    return family


def histograms(name: str, tells: str, label: str, values: Mapping[str, Durations]) -> Metric:
    """Return how long something took, in seconds, for each value of ``label``."""
    family = HistogramMetricFamily(name, tells, labels=[label])
    for value_of_label, durations in values.items():
        family.add_metric([value_of_label], _buckets(durations), durations.seconds)
    return family


def histogram(name: str, tells: str, durations: Durations) -> Metric:
    """Return how long something took, in seconds."""
    return HistogramMetricFamily(name, tells, _buckets(durations), durations.seconds)


def info(name: str, tells: str, values: Mapping[str, str]) -> Metric:
    """Return what is no number; the sample is 1 and called ``name`` with ``_info``."""
    return InfoMetricFamily(name, tells, dict(values))


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    return [
        ("+Inf" if bound == float("inf") else str(bound), count)
        for bound, count in durations.up_to()
    ]
