"""The list of metrics and the dashboard name what a server really tells, no less and no more."""

import json
import re
from collections.abc import Iterator
from typing import NotRequired, TypedDict

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
BY_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus gives to what it has asked for."""
CHOSEN = {"type": "prometheus", "uid": "${datasource}"}
GRID_WIDTH = 24
"""Columns that Grafana has."""


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


class Target(TypedDict):
    """What a panel asks."""

    refId: str
    datasource: JsonValue
    expr: str
    legendFormat: NotRequired[str]


class Panel(TypedDict):
    """A panel, or a row of them."""

    id: int
    type: str
    title: str
    gridPos: dict[str, int]
    datasource: NotRequired[JsonValue]
    targets: NotRequired[list[Target]]


class Dashboard(TypedDict):
    """What is read of the dashboard."""

    panels: list[Panel]
    templating: dict[str, list[dict[str, JsonValue]]]


def the_dashboard() -> Dashboard:
    """Return the dashboard."""
    text = (ROOT / "docs" / "grafana" / "herald.json").read_text(encoding="utf-8")
    dashboard: Dashboard = json.loads(text)
    return dashboard


def targets_of(panel: Panel) -> list[Target]:
    """Return what a panel asks; a row asks nothing."""
    return panel.get("targets", [])


def test_the_dashboard(scraped: Scraped) -> None:
    """Every expression of the dashboard reads metrics that there are; each panel has a place."""
    dashboard = the_dashboard()
    asked = [
        names_in(target["expr"]) for each in dashboard["panels"] for target in targets_of(each)
    ]
    assert len(asked) > 50
    assert all(asked)
    assert set().union(*asked) - samples_of(scraped) == set()
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["Sockets and events", "Loggers", "Collect", "Hosts", "Process"]


def labels_in(expression: str) -> set[str]:
    """Return the labels that an expression groups or chooses by."""
    plain = STRINGS.sub('""', expression)
    grouped = re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", plain)
    chosen = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", " ".join(re.findall(r"\{([^}]*)\}", plain)))
    return {*chosen, *re.findall(r"\w+", " ".join(grouped))}


def test_which_labels_an_expression_names() -> None:
    """Those it groups by and those it chooses by, and nothing that is in quotes."""
    expression = 'sum by (le, c) (rate(a_bucket{b=~"x=$d", e!="{f}"}[5m])) / 2'
    assert labels_in(expression) == {"le", "c", "b", "e"}


def test_the_labels_of_the_dashboard(scraped: Scraped) -> None:
    """Every label that an expression or its legend names is one of each metric that it reads."""
    labels: dict[str, set[str]] = {}
    for family in scraped.families.values():
        for sample in family.samples:
            labels.setdefault(sample.name, set(BY_PROMETHEUS)).update(sample.labels)
    for panel in the_dashboard()["panels"]:
        for target in targets_of(panel):
            expression = target["expr"]
            named = labels_in(expression)
            for metric in names_in(expression):
                assert named <= labels[metric], expression
            shown = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
            assert shown <= named, expression


def test_the_panels_of_the_dashboard() -> None:
    """Each asks the Prometheus that was chosen, and lies on the grid beside the others."""
    dashboard = the_dashboard()
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(dashboard["panels"])))
    assert used == set(variables)
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        targets = targets_of(panel)
        if panel["type"] != "row":
            assert targets, panel["title"]
            assert panel.get("datasource") == CHOSEN, panel["title"]
        assert all(target["datasource"] == CHOSEN for target in targets), panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets), panel["title"]
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= GRID_WIDTH, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                assert other is panel["title"], f"{panel['title']} lies on {other}"


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
