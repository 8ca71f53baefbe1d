"""The list of metrics and the dashboard name what a server really tells, no less and no more."""

import json
import re
from collections.abc import Iterator

import pytest

from logger_lib import JsonValue
from tests.services.figures import Scraped
from tests.services.herald import ROOT, HeraldServer, wait_until
from tests.services.redis_server import RedisServer

ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<unit>\w*) +\| (?P<labels>[^|]*)\|", re.M
)
STRINGS = re.compile(r'"[^"]*"')
LABELS = re.compile(r"\{[^}]*\}|\b(?:by|without)\s*\([^)]*\)|\[[^\]]*\]")
NAMES = re.compile(r"[a-z_][a-z0-9_]*(?!\w*\s*\()")
ADDED = {"worker", "le"}
"""Labels that all have, or all histograms."""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """All that a server can tell: with Redis it has other hosts, and hits that wait there."""
    with (
        RedisServer() as redis,
        HeraldServer(tmp_path_factory.mktemp("all"), {"REDIS_URL": redis.url}) as server,
    ):
        wait_until(lambda: "herald_hits_lag" in Scraped.of(server).families, "the first look")
        yield Scraped.of(server)


def name_of(family: str, kind: str) -> str:
    """Return what the samples of a family are called, or begin with."""
    return f"{family}_total" if kind == "counter" else family


def told(scraped: Scraped) -> dict[str, tuple[str, set[str]]]:
    """Return the kind and the labels of each metric."""
    return {
        name_of(family.name, family.type): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - ADDED,
        )
        for family in scraped.families.values()
    }


def test_the_list(scraped: Scraped) -> None:
    """docs/metrics.md has each metric with its kind and its labels, and none that is not."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    listed = {
        row["name"]: (row["kind"], set(re.findall(r"`(\w+)`", row["labels"])))
        for row in ROW.finditer(text)
    }
    assert listed == told(scraped)
    units = {row["name"]: row["unit"] for row in ROW.finditer(text)}
    assert units == {name: unit_of(name) for name in listed}


def unit_of(name: str) -> str:
    """Return the unit that the name of a metric ends in."""
    found = re.search(r"_(seconds|bytes)(?:_total)?$", name)
    return found[1] if found else ""


def expressions(value: JsonValue) -> Iterator[str]:
    """Yield all expressions of a dashboard, or of a part of it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "expr":
                assert isinstance(inner, str)
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression of PromQL reads."""
    plain = LABELS.sub(" ", STRINGS.sub('""', expression))
    return set(NAMES.findall(plain))


def test_what_an_expression_reads() -> None:
    """Functions, labels and ranges are no metrics; both sides of a division are."""
    expression = 'sum by (le) (rate(a_bucket{b=~"$c, d"}[$__rate_interval])) / max(e_total) > 0'
    assert names_in(expression) == {"a_bucket", "e_total"}


def samples_of(scraped: Scraped) -> set[str]:
    return {sample.name for family in scraped.families.values() for sample in family.samples}


def test_the_dashboard(scraped: Scraped) -> None:
    """Every expression of the dashboard reads metrics that there are; each panel has a place."""
    dashboard = json.loads((ROOT / "docs" / "grafana" / "herald.json").read_text(encoding="utf-8"))
    asked = [names_in(expression) for expression in expressions(dashboard)]
    assert len(asked) > 50
    assert all(asked)
    assert set().union(*asked) - samples_of(scraped) == set()
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["Sockets and events", "Loggers", "Collect", "Hosts", "Process"]


def test_the_warnings(scraped: Scraped) -> None:
    """What docs/metrics.md says to be woken by are expressions over metrics that there are."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    part = text.split("## What to be woken by")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", part, re.M)
    asked = [
        names_in(quoted) for row in rows for quoted in re.findall(r"`([^`]*herald_[^`]*)`", row)
    ]
    assert len(asked) >= 9
    assert set().union(*asked) - samples_of(scraped) == set()
