"""The tables of docs/configuration.md: every setting with its names, default and meaning, read off the classes.

Must not know any setting by name: a field's meaning is what the docstring of its class says.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from anyint_resilience import Fallback, Guards, Policy, Resilience
from anyint_resilience.configuring.settings import FALLBACK, ONLY_IN_CODE, PRESETS, SETTINGS, Setting

__all__ = ["TABLES", "meanings"]

_SELF: Final = {
    "api_key_env": "The variable that holds the key.",
    "store_env": "The variable that holds the store's URL, where it has a password in it.",
    "preset": "Where the fields of this table begin; each that is named wins over it.",
    "fallbacks.api_key_env": "The variable that holds the key for that.",
}
"""What no class has a field for."""


def meanings(cls: type) -> dict[str, str]:
    """Return what the ``Args`` of a class's docstring say, by field, each in one line."""
    text = inspect.cleandoc(cls.__doc__ or "")
    part = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    found: dict[str, str] = {}
    for row in re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", part[1] if part else "", re.DOTALL | re.MULTILINE):
        found[row[0]] = _markdown(" ".join(row[1].split()))
    return found


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`(\w+)`", r"``\1``", text).replace("``", "`").replace("|", "\\|")
    return text[:1].upper() + text[1:]


def _value(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, (int, float)) else f"`{value}`"


def _rows(settings: list[Setting], cls: type, skip: str = "") -> str:
    said = meanings(cls)
    lines = ["| setting | variable | default | meaning |", "|---|---|---|---|"]
    for it in settings:
        meaning = said.get(it.field) or _SELF.get(it.name) or _SELF[it.field]
        variable = "" if it.variable is None else f"`{it.variable}`"
        lines.append(f"| `{it.field}` | {variable} | {_value(it.default)} | {meaning} |")
    return "\n".join(lines)


def _of_table(table: str | None, cls: type) -> Callable[[], str]:
    return lambda: _rows([it for it in SETTINGS.values() if it.table == table], cls)


def _fallbacks() -> str:
    said = meanings(Fallback)
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, it in FALLBACK.items():
        required = name in ("workload", "route", "model")
        meaning = said.get(name) or _SELF[f"fallbacks.{name}"]
        lines.append(f"| `{name}` | {'required' if required else _value(it.default)} | {meaning} |")
    return "\n".join(lines)


def _only_in_code() -> str:
    said = meanings(Resilience)
    return "\n".join(["| argument | meaning |", "|---|---|", *(f"| `{it}` | {said[it]} |" for it in ONLY_IN_CODE)])


def _presets(table: str, cls: type) -> str:
    """What each preset sets, beside the default."""
    default: Any = cls()
    lines = ["| preset | sets |", "|---|---|"]
    for name, make in PRESETS[table].items():
        made = make()
        other = [
            f"`{it} = {_value(getattr(made, it)).strip('`')}`"
            for it in default.__dataclass_fields__
            if getattr(made, it) != getattr(default, it)
        ]
        lines.append(f"| `{name}` | {', '.join(other) or 'nothing'} |")
    return "\n".join(lines)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "settings-top": _of_table(None, Resilience),
    "settings-policy": _of_table("policy", Policy),
    "settings-guards": _of_table("guards", Guards),
    "settings-fallbacks": _fallbacks,
    "settings-code": _only_in_code,
    "presets-policy": lambda: _presets("policy", Policy),
    "presets-guards": lambda: _presets("guards", Guards),
}
