"""What a server's ``/metrics`` says, read by the parser of Prometheus' own library."""

from dataclasses import dataclass, field
from typing import Self

import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as families_of_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as families_of_text

from tests.services.herald import HeraldServer, wait_until

ACCEPT_OF_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
READ_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Scraped:
    """One answer of ``/metrics``."""

    text: str
    content_type: str
    families: dict[str, Metric] = field(default_factory=dict)

    @classmethod
    def of(cls, server: HeraldServer, **headers: str) -> Self:
        """Ask ``server``, which must answer."""
        answer = requests.get(f"{server.url}/metrics", headers=headers, timeout=READ_SECONDS)
        assert answer.status_code == 200, answer.text
        kind = answer.headers["Content-Type"]
        is_open = kind.startswith("application/openmetrics-text")
        read = families_of_openmetrics if is_open else families_of_text
        return cls(answer.text, kind, {family.name: family for family in read(answer.text)})

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples called ``name`` that have ``labels``; there is one."""
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no sample {name} {labels}"
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values that ``label`` has in the samples called ``name``."""
        return {
            sample.labels[label]
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name
        }


class Growth:
    """How much the figures of a server have grown since this was made."""

    def __init__(self, server: HeraldServer, **headers: str) -> None:
        self._server = server
        self._headers = headers
        self._before = Scraped.of(server, **headers)

    def of(self, name: str, **labels: str) -> float:
        """Return by how much."""
        now = Scraped.of(self._server, **self._headers).value(name, **labels)
        return now - self._before.value(name, **labels)

    def wait_for(self, name: str, amount: float, **labels: str) -> None:
        """Wait until that is at least ``amount``."""
        wait_until(
            lambda: self.of(name, **labels) >= amount, f"{name} to grow by {amount}", READ_SECONDS
        )
