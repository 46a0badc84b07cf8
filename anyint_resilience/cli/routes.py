"""``routes``: the contract's table of routes, to read or as JSON.

Must not know any route: it shows the rows there are.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from ..contract.matching import route_table
from ..contract.routes import ANTHROPIC_VERSION, AUTH_STYLE, Route
from ..contract.words import AuthStyle, Family
from .parsing import page
from .terminal import Cell, fold, plain, print_json, say, styled, table, width

__all__ = ["plain_row", "register"]

_AUTH: Final = {
    AuthStyle.BEARER: "Authorization: Bearer <key>",
    AuthStyle.X_API_KEY: f"x-api-key: <key>, anthropic-version: {ANTHROPIC_VERSION}",
}
_HEADS: Final = ("method", "path", "operation", "origin")
_ROOM: Final = 90  # columns that all of these need
_ABOUT: Final = """\
List every route the contract knows: what it does (that decides whether it may be sent again), how a task is followed,
and who says so. In a pipe each route is one line; on a terminal they are grouped by family."""
_EXAMPLES: Final = (
    ("all of them", "anyint-resilience routes"),
    ("what creates something that is paid for", "anyint-resilience routes | grep create"),
    ("one family, for a program", "anyint-resilience routes --family anthropic --json"),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "routes",
        summary="every route of the AnyInt gateway that the contract knows",
        about=_ABOUT,
        usage="[--family NAME] [options]",
        examples=_EXAMPLES,
        exits=((0, "they are printed"),),
        needs="nothing beside the package itself",
        touches="none, and it costs nothing",
    )
    names = [family.value for family in Family]
    parser.add_argument("--family", choices=names, metavar="NAME", help=f"only this one: {', '.join(names)}")
    parser.add_argument("--seedance", action="store_true", help="also the /doubao routes, which no AnyInt page names")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    seedance = options.seedance or options.family == Family.SEEDANCE.value
    rows = [
        route
        for route in route_table(seedance=seedance).routes
        if options.family is None or route.family == options.family
    ]
    if options.json:
        print_json([plain_row(route) for route in rows])
    elif plain():
        say(table(["family", *_HEADS, "more"], [_line(route) for route in rows]))
    else:
        _show(rows)
    return 0


def plain_row(route: Route) -> dict[str, Any]:
    """Return a row as JSON has it."""
    return {
        "method": route.method,
        "template": route.template,
        "family": None if route.family is None else route.family.value,
        "operation": route.operation.value,
        "auth": None if route.family is None else AUTH_STYLE[route.family].value,
        "query": route.query,
        "tasks": route.tasks,
        "switches": {name: operation.value for name, operation in route.body_switch},
        "origin": route.origin.value,
        "note": route.note,
    }


def _line(route: Route) -> list[str]:
    """One row for a pipe: everything in one line."""
    family = "" if route.family is None else route.family.value
    return [family, route.method, route.template, route.operation.value, route.origin.value, "; ".join(_more(route))]


def _show(rows: list[Route]) -> None:
    """Families one under the other, for a person."""
    many = len(_HEADS) if width() >= _ROOM else len(_HEADS) - 1  # a path is worth more than its origin
    for family in Family:
        mine = [route for route in rows if route.family is family]
        if mine:
            say(f"{styled(family.value, 'bold')}   {_AUTH[AUTH_STYLE[family]]}")
            say(table(_HEADS[:many], [_cells(route)[:many] for route in mine]))
            say()
    origins = "Origin says who states the row: AnyInt, upstream, field (seen in use), assumed."
    say(fold(f"{len(rows)} routes. {origins if many == len(_HEADS) else 'A wider terminal shows who states each.'}"))


def _cells(route: Route) -> list[str | Cell]:
    path = Cell("\n  ".join([route.template, *(it.replace(route.template, "...") for it in _more(route))]), "", "dim")
    return [Cell(route.method, "cyan"), path, route.operation.value, Cell(route.origin.value, "dim")]


def _more(route: Route) -> list[str]:
    """What there is to say of a row beside its columns."""
    followed = [f"then GET {route.query}"] if route.query else []
    states = [f"states of {route.tasks}"] if route.tasks else []
    more = [", ".join([*followed, *states])] if followed or states else []
    more += [f"{operation.value} if the body says {name}: true" for name, operation in route.body_switch]
    return more + ([route.note] if route.note else [])
