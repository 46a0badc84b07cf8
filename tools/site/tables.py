"""Write the tables of the documents from the code's own data: ``python -m tools.site.tables --write``.

Without ``--write``: show what has drifted and exit with 1. A page says where a table goes, between
``<!-- generated: NAME -->`` and ``<!-- /generated -->``; ``<!-- events:begin -->`` to ``<!-- events:end -->`` on the
page observability.md is the table ``observability-events``, where there is one (tests fill others of these). Add a
table: add its name and a function that returns Markdown to ``TABLES``.
Must not know what is in any table.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from . import (
    configuration,
    decision_codes,
    decision_routes,
    decisions,
    dependencies,
    extras,
    hostile,
    measured,
    telemetry_tables,
)

__all__ = ["TABLES", "drift", "filled", "main", "pages"]

ROOT = Path(__file__).resolve().parents[2]

TABLES: Mapping[str, Callable[[], str]] = {
    **telemetry_tables.TABLES,
    **decisions.TABLES,
    **decision_codes.TABLES,
    **decision_routes.TABLES,
    **configuration.TABLES,
    **measured.TABLES,
    **extras.TABLES,
    **hostile.TABLES,
    **dependencies.TABLES,
}
"""Every table there is: name -> a function that returns it in Markdown."""

_MARKED = re.compile(
    r"(?P<head><!-- generated: (?P<name>[\w-]+) -->\n).*?(?P<foot>^<!-- /generated -->$)", re.DOTALL | re.MULTILINE
)
_OLDER = re.compile(
    r"(?P<head><!-- (?P<name>[\w-]+):begin -->\n).*?(?P<foot>^<!-- (?P=name):end -->$)", re.DOTALL | re.MULTILINE
)
_OPEN = re.compile(r"^<!-- generated: .*$", re.MULTILINE)


def pages() -> list[Path]:
    """Return the documents that may hold a table."""
    return [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str, name: str = "") -> str:
    """Return a page with its tables as the code has them. ValueError: a mark that names none, or has no end."""
    if len(_OPEN.findall(text)) != len(_MARKED.findall(text)):
        raise ValueError(f"{name}: a mark <!-- generated: NAME --> is not written so, or has no <!-- /generated -->")
    unknown = sorted({found["name"] for found in _MARKED.finditer(text)} - set(TABLES))
    if unknown:
        raise ValueError(f"{name}: no table is called {', '.join(unknown)}; there are {', '.join(sorted(TABLES))}")
    return _OLDER.sub(
        lambda it: _fill(it, f"{Path(name).stem}-{it['name']}"), _MARKED.sub(lambda it: _fill(it, it["name"]), text)
    )


def _fill(found: re.Match[str], name: str) -> str:
    make = TABLES.get(name)
    return found[0] if make is None else f"{found['head']}{make()}\n{found['foot']}"


def drift(path: Path) -> Iterator[str]:
    """Yield the lines by which a page differs from what the code says."""
    old, name = path.read_text(encoding="utf-8"), _named(path)
    new = filled(old, name)
    return difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} as the code has it", "", "", 1, "")


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def main(words: Sequence[str] = ()) -> int:
    """Write the tables, or show what has drifted. Return how the process should exit."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.tables", description="Hold the tables to the code.")
    parser.add_argument("--write", action="store_true", help="write them, instead of showing what has drifted")
    write, wrong = parser.parse_args(words).write, []
    for path in pages():
        try:
            lines = list(drift(path))
        except ValueError as error:
            wrong.append(str(error))
            continue
        if lines and write:
            path.write_text(filled(path.read_text(encoding="utf-8"), _named(path)), encoding="utf-8")
            print(f"wrote {_named(path)}")
        elif lines:
            print("\n".join(lines))
            wrong.append(f"{_named(path)} is not what the code says: python -m tools.site.tables --write")
    print("\n".join(wrong) or f"{len(TABLES)} tables are what the code says", file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
