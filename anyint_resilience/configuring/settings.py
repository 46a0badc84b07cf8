"""Every setting there is: its name in a file, its variable, its kind and default. Read off the classes themselves.

Must not know where a value comes from. A new field of ``Policy``, ``Guards`` or ``Resilience`` is a setting by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Final

from ..config import Resilience
from ..guards.settings import Guards
from ..policy.fallback import Fallback
from ..policy.rules import Policy
from .kinds import KINDS, Kind

__all__ = ["CONFIG", "FALLBACK", "KEY", "ONLY_IN_CODE", "PRESETS", "SETTINGS", "VARIABLE", "Setting"]

VARIABLE: Final = "ANYINT_RESILIENCE_"
"""What a variable's name begins with."""

KEY: Final = "ANYINT_API_KEY"
CONFIG: Final = f"{VARIABLE}CONFIG"
"""The variable that names the file."""

_BASE_URL: Final = "ANYINT_BASE_URL"  # the gateway's own names for key and address
_TABLES: Final[dict[str, type]] = {"policy": Policy, "guards": Guards}
ONLY_IN_CODE: Final = ("api_key", "tracer_provider", "meter_provider", "listeners", "runtime")
PRESETS: Final[dict[str, dict[str, Callable[[], Any]]]] = {
    "policy": {it: getattr(Policy, it) for it in ("default", "interactive", "batch", "strict")},
    "guards": {"default": Guards, "off": Guards.off},
}
"""Where the fields of a table may begin: each that is named wins over its preset."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    ``name``: in a file, with its table (``policy.attempts``). ``variable``: of the environment; None: only in a file.
    """

    name: str
    variable: str | None
    kind: Kind
    default: object

    @property
    def table(self) -> str | None:
        """The table it stands in, None for the top."""
        return self.name.partition(".")[0] if "." in self.name else None

    @property
    def field(self) -> str:
        """Its name within its table."""
        return self.name.rpartition(".")[2]


def _default(field: Field[Any]) -> object:
    if field.default is not MISSING:
        return field.default
    return None if field.default_factory is MISSING else field.default_factory()


def _kind(field: Field[Any]) -> Kind:
    return KINDS[str(field.type).replace('"', "'")]


def _own() -> list[Setting]:
    """The settings that stand at the top of a file."""
    named = {"base_url": _BASE_URL}
    skipped = {*ONLY_IN_CODE, *_TABLES, "fallbacks"}
    rows = [
        Setting(it.name, named.get(it.name, VARIABLE + it.name.upper()), _kind(it), _default(it))
        for it in fields(Resilience)
        if it.init and it.name not in skipped
    ]
    optional = KINDS["str | None"]
    rows.append(Setting("store_env", f"{VARIABLE}STORE_ENV", optional, None))
    return [Setting("api_key_env", f"{VARIABLE}API_KEY_ENV", optional, KEY), *rows]


def _in_table(table: str, cls: type) -> list[Setting]:
    prefix = f"{VARIABLE}{table.upper()}_"
    rows = [Setting(f"{table}.preset", f"{prefix}PRESET", KINDS["str"], "default")]
    for it in fields(cls):
        rows.append(Setting(f"{table}.{it.name}", prefix + it.name.upper(), _kind(it), _default(it)))
    return rows


def _fallback() -> list[Setting]:
    rows = [
        Setting(f"fallbacks.{it.name}", None, _kind(it), _default(it))
        for it in fields(Fallback)
        if it.name != "api_key"
    ]
    return [*rows, Setting("fallbacks.api_key_env", None, KINDS["str | None"], None)]


SETTINGS: Final[dict[str, Setting]] = {
    it.name: it for it in (*_own(), *(row for table, cls in _TABLES.items() for row in _in_table(table, cls)))
}
"""By their names."""

FALLBACK: Final[dict[str, Setting]] = {it.field: it for it in _fallback()}
"""What a row of ``[[fallbacks]]`` may hold."""
