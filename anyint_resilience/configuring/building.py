"""The arguments of a ``Resilience`` out of what was given, checked by the classes themselves, every problem named.

Must not know where a value came from, but by the name it is told; it opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..checking import problems_of, tupled
from ..guards.settings import Guards
from ..policy.fallback import Fallback
from ..policy.given import Invalid, shown
from ..policy.rules import Policy
from .settings import KEY, PRESETS, SETTINGS

if TYPE_CHECKING:
    from .loading import Loaded

__all__ = ["arguments", "is_variable"]

_CLASSES: Final[dict[str, Callable[..., Any]]] = {"policy": Policy, "guards": Guards}
_MANY: Final = ("fallbacks", "hosts", "listeners")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,59}")
_PASTED: Final = re.compile(r"[A-Z0-9]{20,}")  # no name of a variable is one long word
_STAND_IN: Final = "not-read"  # for a key that a text alone can't have, while it is checked


def arguments(
    found: Loaded, env: Mapping[str, str], keywords: Mapping[str, object], *, named_are_set: bool = False
) -> None:
    """Put the arguments onto what was found, and what is wrong with them to its problems.

    ``named_are_set``: variables that are named for secrets are taken for set, as in a check of a text alone.
    """
    made: dict[str, Any] = {
        name: value for name, value in found.given.items() if "." not in name and not name.endswith("_env")
    }
    for table in _CLASSES:
        built = None if table in keywords else _table(found, table)
        if built is not None:
            made[table] = built
    _secrets(found, env, made, keywords, named_are_set=named_are_set)
    rows = [] if "fallbacks" in keywords else _rows(found, env, named_are_set)
    if rows:
        made["fallbacks"] = tuple(rows)
    # what can be gone through once is kept: it is gone through here
    made.update({name: tupled(it) if name in _MANY else it for name, it in keywords.items()})
    found.arguments = made
    found.problems += [_traced(found, it, keywords) for it in problems_of(made)]


def _table(found: Loaded, table: str) -> Any:
    """Return the object of a table: its preset, with the fields that are named; None if nothing is."""
    prefix = f"{table}."
    values = {name[len(prefix) :]: it for name, it in found.given.items() if name.startswith(prefix)}
    if not values:
        return None
    preset = values.pop("preset", "default")
    presets = PRESETS[table]
    if not isinstance(preset, str) or preset not in presets:
        text = f"preset must be one of {', '.join(presets)}, not {shown(preset)}"
        found.problems.append(_traced(found, f"{prefix}{text}", {}))
        preset = "default"
    base = presets[preset]()
    try:
        return _CLASSES[table](**{**{it: getattr(base, it) for it in base.__dataclass_fields__}, **values})
    except Invalid as error:
        found.problems += [_traced(found, prefix + it, {}) for it in error.problems]
        return None


def _secrets(
    found: Loaded, env: Mapping[str, str], made: dict[str, Any], keywords: Mapping[str, object], *, named_are_set: bool
) -> None:
    """Read key and store from the variables that are named for them."""
    for setting, default in (("api_key", KEY), ("store", None)):
        named = found.given.get(f"{setting}_env")
        if setting in keywords or (named is None and default is None):
            continue
        if setting == "store" and "store" in found.given:
            found.problems.append(_traced(found, "store_env can't stand beside store", {}))
            continue
        name = default if named is None else named
        secret = env.get(name) if isinstance(name, str) else None
        if secret:
            made[setting] = secret
            found.origins.setdefault(setting, str(name))
        elif named_are_set:
            made.update({"api_key": _STAND_IN} if setting == "api_key" else {})
        elif named is not None:
            found.problems.append(_traced(found, f"{setting}_env {_unset(named)}", {}))


def is_variable(name: object) -> bool:
    """Whether this can be the name of a variable, and is no key that was pasted in its place."""
    return isinstance(name, str) and _VARIABLE.fullmatch(name) is not None and _PASTED.search(name) is None


def _unset(name: object) -> str:
    if not is_variable(name):
        # and is not shown: it may be the secret itself
        return "must be the name of a variable of the environment, in capitals, that is set"
    return f"names {name}, which is not set"


def _rows(found: Loaded, env: Mapping[str, str], named_are_set: bool) -> list[Fallback]:
    rows: list[Fallback] = []
    for number, given in enumerate(found.rows, 1):
        where, row = f"fallbacks[{number}] ", dict(given)
        name = row.pop("api_key_env", None)
        if name is not None:
            key = env.get(name) if isinstance(name, str) else None
            row["api_key"] = _STAND_IN if named_are_set and isinstance(name, str) else key
            if row["api_key"] is None:
                found.problems.append(_traced(found, f"{where}api_key_env {_unset(name)}", {}))
        missing = [it for it in ("workload", "route", "model") if it not in row]
        if missing:
            found.problems.append(_traced(found, f"{where}needs {' and '.join(missing)}", {}))
            continue
        try:
            rows.append(Fallback(**row))
        except Invalid as error:
            found.problems += [_traced(found, where + it, {}) for it in error.problems]
    return rows


def _traced(found: Loaded, problem: str, keywords: Mapping[str, object]) -> str:
    """Return a problem with the name of what it came from behind it."""
    name = problem.partition(" ")[0].partition("[")[0]
    if name == "fallback":
        name = "fallbacks"
    origin = "code" if name in keywords else found.origins.get(name)
    if origin is None and name in SETTINGS:
        origin = found.origins.get(f"{name}_env")
    return f"{problem} ({origin})" if origin else problem
