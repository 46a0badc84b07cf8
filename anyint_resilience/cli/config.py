"""``config``: check a configuration, or show what is in force and where each value came from.

Must not decide anything: ``configuring`` reads and checks. Nothing is opened or asked, and no secret is shown.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from ..configuring import SETTINGS, Loaded, load
from ..configuring.building import is_variable
from ..configuring.files import FILE
from ..configuring.settings import CONFIG, KEY
from .parsing import Parser, files, page
from .terminal import Cell, clean, mark, print_json, say, table

__all__ = ["register"]

_BAD: Final = 1
_PLACES: Final = ("base_url", "hosts", "store")
_LONGEST, _ITEMS, _LARGE = 200, 50, 10**15
_WHERE: Final = f"an {FILE} or pyproject.toml (default: what {CONFIG} names, else the nearest one in this project)"
_ORDER: Final = """\
What counts is, in this order: a keyword in code, a variable of the environment, the file, the default. Keys and
passwords are never shown. All settings: docs/configuration.md"""
_EXITS: Final = ((0, "it can be used"), (1, "it can't: something in it is wrong"))
_Kind: TypeAlias = "tuple[str, str, str, tuple[tuple[str, str], ...], Callable[[argparse.Namespace], int]]"
_QUIET: Final = "none: nothing is opened and nobody is asked; `anyint-resilience doctor` tries it out"


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "config",
        summary="check a configuration, or show what is in force and where it came from",
        about=f"Look at the configuration that from_toml() would use here; and from_env(), but that it reads no file "
        f"unless {CONFIG} names one.\n\n{_ORDER}",
        usage="COMMAND [FILE] [options]",
        examples=(
            ("is it right?", "anyint-resilience config check"),
            ("what is in force, and who said so?", "anyint-resilience config show --set"),
        ),
        needs="nothing beside the core",
        touches=_QUIET,
        exits=_EXITS,
    )
    kinds = parser.add_subparsers(
        prog=parser.prog, title="commands", dest="config_command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, summary, about, examples, run in _kinds():
        sub = page(
            kinds,
            name,
            summary=summary,
            about=about,
            examples=examples,
            needs="nothing beside the core",
            touches=_QUIET,
            exits=_EXITS,
        )
        files(sub.add_argument("file", nargs="?", metavar="FILE", help=_WHERE))
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        if run is _show:
            sub.add_argument("--set", action="store_true", help="only what is set, no defaults")
        sub.set_defaults(run=run)


def _kinds() -> Iterable[_Kind]:
    yield (
        "check",
        "name everything that is wrong with it",
        "Name everything that is wrong with a configuration, a line each, with the nearest valid name.",
        (
            ("as it is found here", "anyint-resilience config check"),
            ("a certain file, for a script", "anyint-resilience config check deploy/anyint-resilience.toml --json"),
        ),
        _check,
    )
    yield (
        "show",
        "every setting, its value, and where that came from",
        f"Show every setting, its value, and where that came from.\n\n{_ORDER}",
        (
            ("only what somebody has set", "anyint-resilience config show --set"),
            (
                "what a variable would change",
                "ANYINT_RESILIENCE_POLICY_ATTEMPTS=5 anyint-resilience config show | grep attempts",
            ),
        ),
        _show,
    )


def _loaded(options: argparse.Namespace) -> Loaded:
    return load(options.file, search=True)


def _check(options: argparse.Namespace) -> int:
    found = _loaded(options)
    file = None if found.file is None else str(found.file)
    if options.json:
        print_json({"ok": not found.problems, "file": file, "problems": found.problems, "remarks": found.remarks})
    else:
        for problem in found.problems:
            say(f"{mark(False)} {problem}")
        for remark in found.remarks:
            say(f"{mark(None)} {clean(remark)}")
        if not found.problems:
            say(f"{mark(True)} {_source(found)}: can be used")
            if found.file is not None and os.environ.get(CONFIG) is None:
                say(f"  by Resilience.from_toml(); from_env() reads it where {CONFIG} names it")
    return _BAD if found.problems else 0


def _source(found: Loaded) -> str:
    return "environment and defaults (there is no file)" if found.file is None else str(found.file)


def _show(options: argparse.Namespace) -> int:
    found = _loaded(options)
    rows = [it for it in _rows(found) if it[2] != "default" or not options.set]
    if options.json:
        values = {name: {"value": value, "from": origin} for name, value, origin in rows}
        file = None if found.file is None else str(found.file)
        print_json({"ok": not found.problems, "file": file, "problems": found.problems, "settings": values})
    else:
        say(_source(found))
        shown: list[list[str | Cell]] = [
            [Cell(name, "" if origin == "default" else "bold"), _text(value), Cell(origin, "dim")]
            for name, value, origin in rows
        ]
        say(table(["setting", "value", "from"], shown))
        if found.problems:
            say(f"{mark(False)} it can't be used: `anyint-resilience config check` says why")
    return _BAD if found.problems else 0


def _rows(found: Loaded) -> list[tuple[str, object, str]]:
    """Each setting with its value and where that came from; presets stand in the values of their table."""
    key = "set" if found.arguments.get("api_key") else "not set: each request brings its own"
    origin = found.origins.get("api_key", KEY) if key == "set" else "default"
    rows: list[tuple[str, object, str]] = [("api_key", key, origin)]
    for name, setting in SETTINGS.items():
        value = found.given.get(name, setting.default)
        origin = found.origins.get(name, "default")
        if setting.table is not None and setting.field != "preset" and name not in found.given:
            built = found.arguments.get(setting.table)
            value = value if built is None else getattr(built, setting.field)
            if value != setting.default:
                origin = f"preset {found.given[f'{setting.table}.preset']}"
        if name == "store":  # which a variable may hold that another names
            value = found.arguments.get("store", value)
            named = found.given.get("store_env")
            origin = origin if named is None else f"{found.origins['store_env']}, {_shown('store_env', named)}"
        rows.append((name, _shown(name, value), origin))
    return [*rows, ("fallbacks", [_fallback(it) for it in found.rows], found.origins.get("fallbacks", "default"))]


def _fallback(row: dict[str, Any]) -> str:
    """One row of the fallbacks, in words."""
    at = row.get("base_url")
    where = "" if at is None else f" at {_shown('base_url', at)}"
    named = [_shown("", row.get(it)) for it in ("workload", "model")]
    return f"{named[0]}: {named[1]} to {_shown('', row.get('to', 'itself'))}{where}"


def _shown(name: str, value: object) -> object:
    """Return a value without what may be secret in it: a name that is none, and who asks, by which password.

    What can be no value of a setting is only named by its type: `config check` says what is wrong with it.
    """
    if isinstance(value, (list, tuple)):
        return [_shown(name, it) if isinstance(it, str) else "(no text)" for it in value][:_ITEMS]
    if name.endswith("_env"):
        return value if value is None or is_variable(value) else "(no name of a variable)"
    if name in _PLACES and value is not None:
        return _place(value) if isinstance(value, str) else "(no URL)"
    if isinstance(value, str):
        return clean(value[:_LONGEST])
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < _LARGE):
        return value
    return f"(a {type(value).__name__})"


def _place(url: str) -> str:
    """Return where something is, without user, password, query and fragment."""
    scheme, mark_, rest = url.partition("://")
    if not mark_ or not scheme.replace("+", "").isalnum():
        return "(no URL)"
    if scheme == "sqlite":
        return clean(url[:_LONGEST])
    return clean(f"{scheme}://{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}"[:_LONGEST])


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_text(it) for it in value) if value else "none"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
