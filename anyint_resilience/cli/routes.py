"""``routes``: the contract's table of routes, to read or as JSON.

Must not know any route: it shows the rows there are.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from ..contract.matching import RouteTable
from ..contract.routes import ANTHROPIC_VERSION, AUTH_STYLE, Route
from ..contract.words import AuthStyle, Family
from .terminal import console, need

__all__ = ["register"]

_AUTH: Final = {
    AuthStyle.BEARER: "Authorization: Bearer <key>",
    AuthStyle.X_API_KEY: f"x-api-key: <key>, anthropic-version: {ANTHROPIC_VERSION}",
}


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "routes",
        help="the routes of the AnyInt gateway, as the contract has them",
        description="Print every route the contract knows: what it does, how a task is followed, who says so.",
        allow_abbrev=False,
    )
    parser.add_argument("--family", choices=[family.value for family in Family], help="only this one")
    parser.add_argument("--seedance", action="store_true", help="also the /doubao routes, which no AnyInt page names")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    seedance = options.seedance or options.family == Family.SEEDANCE.value
    rows = [
        route
        for route in RouteTable(seedance=seedance).routes
        if options.family is None or route.family == options.family
    ]
    if options.json:
        print(json.dumps([_plain(route) for route in rows], indent=2))
    else:
        need("this command without --json", ["rich"], "'anyint-resilience[cli]'")
        _show(rows)
    return 0


def _plain(route: Route) -> dict[str, Any]:
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


def _show(rows: list[Route]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console()
    for family in Family:
        mine = [route for route in rows if route.family is family]
        if not mine:
            continue
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
        for head in ("method", "path", "operation", "origin"):
            table.add_column(head, overflow="fold")
        for route in mine:
            table.add_row(Text(route.method), _path(route), route.operation.value, route.origin.value)
        screen.print(Text.assemble((family.value, "bold"), f"   {_AUTH[AUTH_STYLE[family]]}"))
        screen.print(table)
        screen.print()
    screen.print(f"{len(rows)} routes. Origin says who states the row: AnyInt, upstream, field (seen in use), assumed.")


def _path(route: Route) -> Any:
    """The template, and under it what more there is to say."""
    from rich.text import Text

    followed = [f"then GET {route.query}"] if route.query else []
    states = [f"states of {route.tasks}"] if route.tasks else []
    more = [", ".join([*followed, *states])] if followed or states else []
    more += [f"{operation.value} if the body says {name}: true" for name, operation in route.body_switch]
    more += [route.note] if route.note else []
    text = Text(route.template)
    for line in more:
        text.append(f"\n  {line}", style="dim")
    return text
