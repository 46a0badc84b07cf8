"""Every query that people and alerts rely on: those of the dashboard as it is shipped, those of the rules as loaded.

Must not know how a query is run or shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DASHBOARD", "WINDOW", "Query", "label_queries", "of_dashboard", "of_rules"]

DASHBOARD = Path(__file__).resolve().parents[2] / "observability" / "dashboard.json"
WINDOW = "5s"
"""What ``$__rate_interval`` is here: a scrape a second leaves no need for minutes."""
_LABEL_VALUES = re.compile(r"label_values\((?P<metric>.+),\s*(?P<label>\w+)\)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query: where it stands, its text with all variables filled in, and how a series of it is called."""

    kind: str  # "panel", "annotation", "rule", "alert"
    title: str
    expr: str
    legend: str = ""
    unit: str = ""
    least: float = 0.0  # where the axis begins

    def name_of(self, labels: Mapping[str, str]) -> str:
        """Return the name of one series, as the dashboard's legend would show it."""
        if not self.legend:
            return " ".join(value for name, value in labels.items() if name not in ("__name__", "job"))
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), self.legend).strip()


def _filled(expr: str, seconds: float) -> str:
    """Fill in what Grafana would: every service, every family."""
    known = {"job": ".*", "family": ".*", "__rate_interval": WINDOW, "__range": f"{seconds:.0f}s"}
    return re.sub(r"\$(\w+)", lambda found: known[found[1]], expr)


def of_dashboard(seconds: float, path: Path = DASHBOARD) -> Iterator[Query]:
    """Yield the queries of all panels and annotations; ``seconds`` is the range that is looked at."""
    document: Any = json.loads(path.read_text(encoding="utf-8"))
    for panel in document["panels"]:
        looks = panel.get("fieldConfig", {}).get("defaults", {})
        for target in panel.get("targets", ()):
            yield Query(
                kind="panel",
                title=panel["title"],
                expr=_filled(target["expr"], seconds),
                legend=target["legendFormat"],
                unit=looks.get("unit", ""),
                least=looks.get("min", 0.0),
            )
    for note in document["annotations"]["list"]:
        yield Query(kind="annotation", title=note["name"], expr=_filled(note["expr"], seconds))


def label_queries(path: Path = DASHBOARD) -> Iterator[tuple[str, str, str]]:
    """Yield the variables that are filled from labels: name, metric, label."""
    document: Any = json.loads(path.read_text(encoding="utf-8"))
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.match(variable["query"]["query"])
            if found is None:
                raise ValueError(f"variable {variable['name']}: cannot read {variable['query']['query']!r}")
            yield variable["name"], _filled(found["metric"], 0), found["label"]


def of_rules(rules: Iterable[Mapping[str, Any]]) -> Iterator[Query]:
    """Yield the queries of the rules and alerts that a Prometheus has loaded."""
    for rule in rules:
        kind = "alert" if rule["type"] == "alerting" else "rule"
        yield Query(kind=kind, title=rule["name"], expr=rule["query"])
