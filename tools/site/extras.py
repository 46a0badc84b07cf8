"""What each extra of the package brings, for the tables of extras. Must not know where they stand.

The names are those of pyproject.toml: one without words here is an error, and so are words of one that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from .layout import codes, table

__all__ = ["TABLES"]

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

COMMANDS = (
    "that, and what the command line draws with (`explain` and `config` need no extra; `doctor` and `wait` any client "
    "but aiohttp; `demo` also httpx2, openai and anthropic)"
)
WORDS = {
    ("httpx", "httpx2", "requests", "aiohttp"): "the client (httpx2 needs Python 3.11)",
    ("redis",): 'redis-py, for `store="redis://..."`',
    ("emulator",): "the stand-in gateway: `anyint-resilience emulator`, and in your tests",
    ("cli",): COMMANDS,
    ("pytest",): "the emulator and pytest, for the plugin that tests your own service",
    ("all",): "all of these but `pytest`",
}


def named() -> list[str]:
    """Return the extras there are, in their order; read without a parser, for Python 3.10 has none."""
    part = re.search(r"(?ms)^\[project\.optional-dependencies\]$(.*?)^\[", PROJECT.read_text(encoding="utf-8"))
    return re.findall(r"(?m)^([\w-]+) *=", part[1]) if part else []


def extras() -> str:
    """Return the table of extras."""
    told = [name for names in WORDS for name in names]
    if sorted(told) != sorted(named()):
        raise ValueError(f"pyproject.toml has the extras {', '.join(named())}; there are words for {', '.join(told)}")
    return table(("extra", "what it brings"), ((codes(names), words) for names, words in WORDS.items()))


TABLES: Mapping[str, Callable[[], str]] = {"extras": extras}
