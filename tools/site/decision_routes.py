"""The tables of docs/decisions.md about routes: what each does, and how its task is followed.

Must not know a route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES, Route
from anyint_resilience.contract.words import Family

from .layout import code, table

__all__ = ["TABLES"]


def _routes(family: Family) -> str:
    """The rows of a family, and what a path is taken for that no row names."""
    rows = [_row(it) for it in (*ROUTES, *SEEDANCE_ROUTES) if it.family is family]
    known = RouteTable(seedance=True)
    prefix = next(it for it in (*ROUTES, *SEEDANCE_ROUTES) if it.family is family).template.split("/")[1]
    others = {method: known.match(method, f"/{prefix}/not/on/any/page") for method in ("POST", "GET")}
    if others["POST"] is not others["GET"]:
        rows.append(("POST", "any other", code(others["POST"].operation), "", others["POST"].origin.value))
    rows.append(("any", "any other", code(others["GET"].operation), "", others["GET"].origin.value))
    return table(("method", "path", "operation", "its task is asked for at", "source"), rows)


def _row(route: Route) -> tuple[str, ...]:
    method = "any" if route.method == "*" else route.method
    operation = code(route.operation)
    operation += "".join(f"; {code(it)} with `{name}: true`" for name, it in route.body_switch)
    query = "" if route.query is None else code(f"GET {route.query}")
    return method, code(route.template), operation, query, route.origin.value


TABLES: Mapping[str, Callable[[], str]] = {
    f"decision-routes-{family.value}": partial(_routes, family) for family in Family
}
"""By the names of their marks."""
