"""The layers of a configuration put together: keyword in code over environment over file over default.

Must not know how a file is read, nor open a store: it gives the arguments of a ``Resilience`` and where each came from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..policy.given import shown
from .building import arguments
from .files import FileProblem, find, parsed, read
from .settings import CONFIG, FALLBACK, KEY, ONLY_IN_CODE, PRESETS, SETTINGS, VARIABLE, Setting

__all__ = ["Loaded", "load", "problems_in"]

_MOST_TOLD: Final = 50
_TABLES: Final = tuple(PRESETS)
_HIDDEN: Final = "a secret stands in no file: {0}_env names the variable that holds it"


@dataclass(slots=True)
class Loaded:
    """What was found: ``given`` values by setting, their ``origins``, the ``file``, and all ``problems`` in words.

    ``remarks``: what is no problem, and may not be what was meant.
    ``arguments`` are those of a ``Resilience``, without what only code can give; usable where there is no problem.
    """

    file: Path | None = None
    given: dict[str, Any] = field(default_factory=dict, repr=False)  # a secret may stand where a name should
    origins: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)

    def take(self, setting: Setting, value: object, origin: str) -> None:
        """Note a value; a later one stands above it."""
        self.given[setting.name] = value
        self.origins[setting.name] = origin


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    search: bool = False,
    must: bool = False,
    keywords: Mapping[str, object] | None = None,
) -> Loaded:
    """Return what file, environment and code set together; problems are told, not raised.

    ``path``: the file; None: the one that ``ANYINT_RESILIENCE_CONFIG`` names, and with ``search`` else the nearest one
    from the working folder up, which ``must`` be there or may be. ``keywords``: what code gives beside it.
    """
    env = os.environ if environ is None else environ
    found = Loaded()
    try:
        found.file = _place(path, env, search=search, must=must)
        if found.file is not None:
            _take_file(found, read(found.file), found.file.name)
    except FileProblem as problem:
        found.problems.append(str(problem))
    _take_environment(found, env)
    arguments(found, env, {} if keywords is None else keywords)
    return found


def problems_in(text: str, *, project: bool | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    """Say what is wrong with a configuration in TOML, each problem in a line; nothing, if it can be used.

    ``project``: whether it is a ``pyproject.toml``; None: if it has our table. ``environ``: what it may name (none).
    """
    found, env = Loaded(), {} if environ is None else environ
    try:
        _take_file(found, parsed(text, name="it", project="[tool." in text if project is None else project), "")
    except FileProblem as problem:
        return [str(problem)]
    arguments(found, env, {}, named_are_set=environ is None)
    return found.problems


def _place(path: str | os.PathLike[str] | None, env: Mapping[str, str], *, search: bool, must: bool) -> Path | None:
    given = env.get(CONFIG) if path is None else path
    if given:
        return Path(given)
    try:
        here = Path.cwd()
    except OSError:  # it was removed meanwhile
        here = Path("/")
    try:
        found = find(here) if search else None
    except OSError as error:  # of a folder that may not be looked into
        raise FileProblem(f"no configuration can be looked for above {here}: {error.strerror}") from None
    if found is None and must:
        raise FileProblem(
            f"no configuration: neither {CONFIG} names one, nor is there an anyint-resilience.toml or a pyproject.toml "
            f"with [tool.anyint-resilience] in {here} or above it in its project"
        )
    return found


# --- the file


def _take_file(found: Loaded, document: dict[str, Any], name: str) -> None:
    for key, value in document.items():
        if key in _TABLES:
            if isinstance(value, dict):
                _take_table(found, key, value, name)
            else:
                found.problems.append(_said(f"{key} must be a table, [{key}], not {shown(value)}", name))
        elif key == "fallbacks":
            _take_rows(found, value, name)
        elif key in SETTINGS and "." not in key:
            _take_value(found, SETTINGS[key], value, name)
        else:
            tops = [it for it in SETTINGS if "." not in it]
            found.problems.append(_unknown(key, [*tops, *_TABLES, "fallbacks"], name))


def _take_table(found: Loaded, table: str, values: dict[str, Any], name: str) -> None:
    for key, value in values.items():
        setting = SETTINGS.get(f"{table}.{key}")
        if setting is None:
            names = [it.field for it in SETTINGS.values() if it.table == table]
            found.problems.append(_unknown(key, names, name, table))
        else:
            _take_value(found, setting, value, name)


def _take_rows(found: Loaded, rows: object, name: str) -> None:
    if not isinstance(rows, list) or not all(isinstance(it, dict) for it in rows):
        found.problems.append(_said(f"fallbacks must be tables, [[fallbacks]], not {shown(rows)}", name))
        return
    found.origins["fallbacks"] = name
    for number, row in enumerate(rows, 1):
        where = f"fallbacks[{number}]"
        found.problems += [_unknown(key, FALLBACK, name, where) for key in row if key not in FALLBACK]
        found.rows.append({key: FALLBACK[key].kind.of_file(it) for key, it in row.items() if key in FALLBACK})


def _take_value(found: Loaded, setting: Setting, value: object, name: str) -> None:
    if setting.name == "store" and isinstance(value, str) and _has_password(value):
        found.problems.append(_said(f"store holds a password; {_HIDDEN.format('store')}", name))
    else:
        found.take(setting, setting.kind.of_file(value), name)


def _has_password(url: str) -> bool:
    before, at, _ = url.partition("://")[2].rpartition("@")
    return (bool(at) and ":" in before) or "password=" in url


# --- the environment


def _take_environment(found: Loaded, env: Mapping[str, str]) -> None:
    by_variable = {it.variable: it for it in SETTINGS.values() if it.variable is not None}
    for variable in sorted(it for it in env if it.startswith(VARIABLE) and it not in by_variable and it != CONFIG):
        found.problems.append(_unknown_variable(variable, [*by_variable, KEY]))
    found.remarks += [it for name in sorted(env) if (it := _meant(name, by_variable)) is not None]
    for variable, setting in by_variable.items():
        text = env.get(variable)
        if not text:  # an empty variable is how some systems say that there is none
            continue
        try:
            found.take(setting, setting.kind.of_text(text), variable)
        except ValueError as error:
            found.problems.append(_said(f"{setting.name} {error}", variable))
        _take_place(found, setting, by_variable)


def _take_place(found: Loaded, setting: Setting, by_variable: Mapping[str, Setting]) -> None:
    """Of ``store`` and ``store_env``, which names the other's place, the nearer layer's counts."""
    if setting.name not in ("store", "store_env") or found.given.get(setting.name) is None:
        return
    other = "store_env" if setting.name == "store" else "store"
    if found.origins.get(other) not in by_variable:
        found.given.pop(other, None)
        found.origins.pop(other, None)


# --- words


def _said(text: str, origin: str) -> str:
    return f"{text} ({origin})" if origin else text


def _unknown(key: str, names: Any, origin: str, table: str | None = None) -> str:
    said = shown(key) if len(key) > _MOST_TOLD or not key.isprintable() else key
    where = "" if table is None else f"[{table}] " if table in _TABLES else f"{table} "
    if table is None and key == "tool":
        return _said("[tool.anyint-resilience] is for a pyproject.toml: here settings stand at the top", origin)
    if key in ONLY_IN_CODE:
        why = _HIDDEN.format("api_key") if key == "api_key" else "it can only be given in code"
        return _said(f"{where}{said}: {why}", origin)
    return _said(f"{where}{said} is no setting{_like(key, list(names), table)}", origin)


def _unknown_variable(name: str, names: list[str]) -> str:
    variable = name if name.isprintable() and len(name) <= _MOST_TOLD * 2 else shown(name)
    field_name = variable[len(VARIABLE) :].lower()
    if field_name == "api_key":
        return f"{variable} is no setting: the key is {KEY}'s"
    if field_name.startswith("fallback"):
        return f"{variable} is no setting: fallbacks stand in a file"
    if field_name in ONLY_IN_CODE:
        return f"{variable} is no setting: it can only be given in code"
    own = SETTINGS.get(field_name)
    like = [own.variable] if own is not None else _nearest(variable, names, 0.6)
    return f"{variable} is no setting" + (f": did you mean {like[0]}?" if like else "")


def _meant(name: str, by_variable: Mapping[str, Setting]) -> str | None:
    """Say of a variable that is nobody's which of ours it may be; it may be the application's own, too."""
    if not name.upper().startswith("ANYINT") or name in by_variable or name.startswith(VARIABLE) or name == KEY:
        return None
    full = VARIABLE + name.upper().removeprefix("ANYINT").lstrip("_")
    if full in by_variable:
        return f"{name} is none of ours: {full} is"
    bare = name.upper().replace("_", "")
    near = next((it for it in (KEY, *by_variable) if it.replace("_", "") == bare), None)
    return None if near is None else f"{name} is none of ours: {near} is"


def _like(key: str, names: list[str], table: str | None) -> str:
    """The nearest name in the same table, else the table that has one of just this name."""
    plain = key.lower().replace("-", "_")
    elsewhere = [it for it in SETTINGS.values() if it.field == plain and it.table != table]
    if elsewhere:
        home = elsewhere[0].table
        return f" here: it stands {'at the top' if home is None else f'in [{home}]'}"
    like = _nearest(plain, names, 0.5)
    return f": did you mean {like[0]}?" if like else f": there are {', '.join(sorted(names))}"


def _nearest(word: str, names: list[str], least: float) -> list[str]:
    from difflib import get_close_matches  # late: only a mistake needs it

    return get_close_matches(word, names, n=1, cutoff=least)
