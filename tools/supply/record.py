"""What was tested: ``python -m tools.supply.record lowest|newest`` notes the versions that are installed here.

To be run where the suite has just passed with them. docs/dependencies.md is made of it. Fails where ``lowest`` are not
the lowest. Must not know how they were installed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from packaging.version import Version

from .bounds import BUILD, ROOT, Bound, bounds, tomllib
from .closure import closure, version
from .licences import licences, spelled

__all__ = ["FILE", "main", "not_lowest", "noted"]

FILE = ROOT / "hostile" / "results" / "supply.json"
ENDS = ("lowest", "newest")


def not_lowest(wanted: Iterable[Bound], there: Mapping[str, str]) -> list[str]:
    """Return in words each dependency that is not at its bound."""
    return [
        f"{it.name}: {there.get(it.name, 'nothing')} is installed, the bound is {it.lower}"
        for it in wanted
        if it.name not in there or Version(there[it.name]) != it.lower
    ]


def noted(before: Mapping[str, Any], end: str, found: Mapping[str, Bound], here: Mapping[str, str]) -> list[Any]:
    """Return the rows of direct dependencies, with what is tested here added to what was noted before."""
    old = {row["name"]: row for row in before.get("rows", ())}
    python, rows = "{}.{}".format(*sys.version_info), []
    for name, bound in found.items():
        row = {"name": name, "asked by": bound.extras, "bound": str(bound.lower), "lowest": {}, "newest": {}}
        row |= {key: dict(old.get(name, {}).get(key, {})) for key in ENDS}
        row["licence"] = old.get(name, {}).get("licence", "")
        if name in here:
            row[end] |= {python: here[name]}
        rows.append(row)
    return rows


def main(words: Sequence[str] = ()) -> int:
    """Note what is installed. Return how the process should exit."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply.record")
    parser.add_argument("end", choices=ENDS)
    parser.add_argument("--write", action="store_true", help="write hostile/results/supply.json")
    parsed = parser.parse_args(words)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    here = {name: version(name) for name in (*bounds(project), *closure())}
    wrong = not_lowest(bounds(project).values(), here) if parsed.end == "lowest" else []
    print("\n".join(wrong) or f"{parsed.end}: {', '.join(f'{name} {one}' for name, one in sorted(here.items()))}")
    if wrong or not parsed.write:
        return 1 if wrong else 0
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    rows = noted(before, parsed.end, bounds(project, everywhere=True), here)
    said = licences(here)
    for row in rows:
        row["licence"] = " or ".join(spelled(said[row["name"]])) if row["name"] in here else row["licence"]
    brought = {name: askers for name, askers in closure().items() if name not in {row["name"] for row in rows}}
    others = [
        {"name": name, "version": here[name], "asked by": [*askers], "licence": " or ".join(spelled(said[name]))}
        for name, askers in brought.items()
    ]
    result = {
        "command": "nox -s lowest -- --write",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "versions": here if parsed.end == "newest" else before.get("versions", here),
        "seed": None,
        "seconds": None,
        "figures": {
            "direct": sum(row["asked by"] != [BUILD] for row in rows),
            "brought by them": len(others),
            "licences": len({row["licence"] for row in (*rows, *others)}),
        },
        "rows": rows,
        "brought": others if parsed.end == "newest" else before.get("brought", others),
    }
    FILE.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
