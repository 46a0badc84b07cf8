"""Runs every query and says which of them show nothing: a panel that stays empty helps nobody at night.

Must not know where queries come from or how findings look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from programs import Problem
from queries import Query
from server import Prometheus, Series

__all__ = ["Finding", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one query showed over the time of the load; ``problem`` is empty where there was something to see."""

    query: Query
    series: list[Series]
    problem: str = ""

    @property
    def latest(self) -> list[tuple[str, float]]:
        """The last value of each series, the largest first."""
        last = [(self.query.name_of(labels), points[-1][1]) for labels, points in self.series]
        return sorted(last, key=lambda it: -it[1])

    @property
    def most(self) -> float | None:
        """The largest value of all, None without any."""
        return max((value for _, points in self.series for _, value in points), default=None)


def run(prometheus: Prometheus, queries: Iterable[Query], start: float, end: float) -> list[Finding]:
    """Run each query over the time from ``start`` to ``end`` (Unix seconds)."""
    return [_one(prometheus, query, start, end) for query in queries]


def _one(prometheus: Prometheus, query: Query, start: float, end: float) -> Finding:
    try:
        series = prometheus.over_time(query.expr, start, end)
    except Problem as refused:
        return Finding(query=query, series=[], problem=f"refused: {refused}")
    if not series:
        return Finding(query=query, series=[], problem="no data")
    if query.kind != "alert" and all(value == 0 for _, points in series for _, value in points):
        return Finding(query=query, series=series, problem="nothing but zeros")
    return Finding(query=query, series=series)
