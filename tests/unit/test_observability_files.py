"""The dashboard, the rules and the alerts of ``observability/``: whole, and about metrics there are.

That each query shows something is for ``nox -s observe``, which asks a real Prometheus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.contract.words import Cause
from anyint_resilience.telemetry.words import METRICS, OUTCOMES

FOLDER = Path(__file__).resolve().parents[2] / "observability"
UNITS = {"s": "_seconds"}  # what exporters add for a unit; {annotations} add nothing
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
OTHER_LABELS = {"job", "le", "alertname", "alertstate", "severity"}
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def plain(name: str) -> str:
    """Write a name as Prometheus has it."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def exported() -> dict[str, set[str]]:
    """Return what Prometheus calls our metrics, each with its labels."""
    return {
        plain(name) + UNITS.get(row.unit, "") + ending: {plain(it) for it in row.attributes}
        for name, row in METRICS.items()
        for ending in ENDINGS[row.kind]
    }


def dashboard() -> Any:
    return json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target


def rules(name: str) -> dict[str, str]:
    """Return the queries of a rule file by name, as its layout has them: no YAML is parsed."""
    text = re.sub(r"(?m)^ *#.*\n", "", (FOLDER / name).read_text(encoding="utf-8"))
    found = {}
    for part in re.split(r"(?m)^ {6}- (?=record:|alert:)", text)[1:]:
        head = re.match(r"(?:record|alert): (\S+)", part)
        expr = re.search(r"(?m)^ {8}expr: (?:\|\n((?: {10}.*\n|\n)+)|(.+))", part)
        assert head is not None
        assert expr is not None, part
        found[head[1]] = expr[1] or expr[2]
    return found


def queries() -> list[tuple[str, str]]:
    found = [(title, str(target["expr"])) for title, target in targets()]
    found += [(note["name"], note["expr"]) for note in dashboard()["annotations"]["list"]]
    found += [
        (f"variable {it['name']}", it["query"]["query"])
        for it in dashboard()["templating"]["list"]
        if it["type"] == "query"
    ]
    return [*found, *rules("rules.yml").items(), *rules("alerts.yml").items()]


def names_and_labels(expr: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels a query names."""
    bare = re.sub(r"label_values\((.+), (\w+)\)", r"max by (\2) (\1)", re.sub(r'"[^"]*"', '""', expr))
    labels = {it for part in re.findall(r"\{([^}]*)\}", bare) for it in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", part)}
    for part in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", bare):
        labels |= set(WORD.findall(part))
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on)\s*\([^)]*\)", " ", bare)
    words = {it for it in WORD.findall(bare) if it.startswith(("anyint_", "http_", "gen_ai_")) or ":" in it}
    return words - labels, labels


QUERIES = queries()


def test_the_dashboard_is_whole() -> None:
    """Panels have ids and titles of their own, each query has a text, and the data source can be chosen."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or panel["targets"], panel["title"]
        assert panel["type"] == "row" or panel["description"], panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert "datasource" in {variable["name"] for variable in dashboard()["templating"]["list"]}
    for title, target in targets():
        assert target["expr"].strip(), title
        assert target["datasource"] == chosen, title
    for title in {panel["title"] for panel in panels if "targets" in panel}:
        letters = [target["refId"] for name, target in targets() if name == title]
        assert len(set(letters)) == len(letters), title


def test_panels_do_not_lie_on_each_other() -> None:
    """No cell of the grid belongs to two panels."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_variables_are_declared() -> None:
    """Every ``$name`` in a query is a variable of the dashboard or one of Grafana's own."""
    known = {variable["name"] for variable in dashboard()["templating"]["list"]} | {"__rate_interval", "__range"}
    used = {name for _, expr in QUERIES for name in re.findall(r"\$\{?(\w+)", expr)}
    assert used <= known


@pytest.mark.parametrize(("name", "expr"), QUERIES, ids=[name for name, _ in QUERIES])
def test_queries_name_metrics_and_labels_there_are(name: str, expr: str) -> None:
    """A query is about metrics of the telemetry table or recorded rules, by labels that these have."""
    known, recorded = exported(), set(rules("rules.yml"))
    metrics, labels = names_and_labels(expr)
    assert metrics or "ALERTS" in expr, name
    assert metrics <= known.keys() | recorded
    allowed = OTHER_LABELS.union(*known.values())
    assert labels <= allowed
    raw = metrics - recorded
    if len(raw) == 1 and not metrics & recorded:
        assert labels <= OTHER_LABELS | known[next(iter(raw))]


def test_every_metric_is_shown() -> None:
    """No metric is counted that no panel shows."""
    shown = {it for _, target in targets() for it in names_and_labels(target["expr"])[0]}
    missing = {
        name
        for name, row in METRICS.items()
        if not {plain(name) + UNITS.get(row.unit, "") + ending for ending in ENDINGS[row.kind]} & shown
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("label", "known"), [("anyint_outcome", set(OUTCOMES)), ("anyint_cause", {it.value for it in Cause})]
)
def test_values_in_queries_are_values_there_are(label: str, known: set[str]) -> None:
    """A query that asks for an outcome or a cause asks for one there is."""
    asked = {
        word
        for _, expr in QUERIES
        for value in re.findall(rf'{label}\s*(?:=~|!~|!=|=)\s*"([^"]*)"', expr)
        for word in value.split("|")
    }
    assert asked
    assert asked <= known


def test_alerts_say_what_to_do_and_have_a_test() -> None:
    """Each alert has a severity, a summary and a description that begins somewhere, and stands in the unit tests."""
    text = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    tests = (FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^ {6}- (?=alert:)", text)[1:]
    assert len(parts) == len(rules("alerts.yml"))
    for part in parts:
        name = part.split()[1]
        assert re.search(r"severity: (critical|warning)\n", part), name
        assert "summary: >-" in part, name
        assert "ook first" in part.partition("description: >-")[2], name
        assert name in tests, name


def test_recorded_names_say_by_what_they_are_summed() -> None:
    """The level comes first, then the metric and what was done: ``job_family:anyint_calls:rate5m``."""
    for name in rules("rules.yml"):
        assert re.fullmatch(r"job(_family)?(_[a-z]+)*:anyint_[a-z_]+:[a-z0-9_]+", name), name
