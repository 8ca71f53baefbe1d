"""All figures of all processes behind one port, as one answer."""

import time
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import orjson
from prometheus_client.metrics_core import Metric

from webapp.http.service import HttpService
from webapp.metrics.families import Figures, Part, gauges
from webapp.metrics.process import HttpFigures
from webapp.shared_figures import SharedFigures

TELL_SECONDS = 2.0
"""How often each of several workers tells the others its figures."""

FAMILIES_A_TURN = 20
"""How many families are made text of before others get their turn."""

WORKER = "worker"
"""The label that all figures have: the number of the process among those behind the port."""

_Sample: TypeAlias = tuple[str, dict[str, str], float | None]
_Told: TypeAlias = list[tuple[str, str, str, list[_Sample]]]
"""Families: name, kind, what they tell, samples. JSON has no infinity, and no figure is one."""


class Scrape:
    """Reads the figures of all parts, and those that the other workers have told."""

    def __init__(self, parts: dict[str, Part]) -> None:
        """``parts`` are read by name; the worker's own is added to them."""
        self._parts = parts
        self._shared: SharedFigures | None = None
        self._place = 0

    def served_by(self, http: HttpService, shared: SharedFigures | None, place: int) -> None:
        """Take note of the worker: its ``place`` among those that share their figures, if any."""
        self._parts["http"] = HttpFigures(http)
        self._shared, self._place = shared, place

    def run(self) -> None:
        """Tell the others for ever; nobody, where there are none."""
        while (shared := self._shared) is not None:
            shared.tell(self._place, orjson.dumps(self._to_tell()))
            time.sleep(TELL_SECONDS)

    def collect(self) -> Figures:
        """Return the figures of all workers, each family once."""
        families: dict[str, Metric] = {}
        for family in self._own():
            _add(families, family, str(self._place), family_samples(family))
        ages = {str(self._place): 0.0}
        if self._shared is not None:
            for place, (age, told) in self._shared.told(but=self._place).items():
                ages[str(place)] = age
                time.sleep(0)
                self._add_told(families, str(place), orjson.loads(told))
        for number, family in enumerate(families.values(), 1):
            if not number % FAMILIES_A_TURN:
                time.sleep(0)
            yield family
        yield gauges(
            "herald_worker_told_seconds",
            "How old the figures of each process behind this port are.",
            WORKER,
            ages,
        )

    def _own(self) -> Iterator[Metric]:
        for part in self._parts.values():
            yield from part.collect()

    def _to_tell(self) -> _Told:
        return [
            (family.name, family.type, family.documentation, list(family_samples(family)))
            for family in self._own()
        ]

    def _add_told(self, families: dict[str, Metric], worker: str, told: _Told) -> None:
        for name, kind, tells, samples in told:
            _add(families, Metric(name, tells, kind), worker, samples)


def family_samples(family: Metric) -> Iterator[_Sample]:
    """Yield the samples of ``family``."""
    for sample in family.samples:
        yield sample.name, dict(sample.labels), sample.value


def _add(
    families: dict[str, Metric],
    family: Metric,
    worker: str,
    samples: Iterator[_Sample] | list[_Sample],
) -> None:
    known = families.get(family.name)
    if known is None:
        known = families[family.name] = Metric(family.name, family.documentation, family.type)
    for name, labels, value in samples:
        known.add_sample(name, _labelled(labels, worker), float("nan") if value is None else value)


def _labelled(labels: Mapping[str, str], worker: str) -> dict[str, str]:
    return {**labels, WORKER: worker}
