"""Check what a wheel would put into site-packages. Usage: ``python tools/check_wheel.py DIST.whl``."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = {path.name for path in Path(__file__).parent.parent.glob("adapters/anyint_resilience_*") if path.is_dir()}
PACKAGES.add("anyint_resilience")


def problems(wheel: Path) -> list[str]:
    """Everything wrong with the wheel, in words."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")] or [""]
        scripts = archive.read(entry_points).decode() if entry_points else ""
    found = []
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if top != PACKAGES:
        found.append(f"top-level names are {sorted(top)}, expected {sorted(PACKAGES)}")
    found += [f"{package}/py.typed is missing" for package in sorted(PACKAGES) if f"{package}/py.typed" not in names]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        found.append("the licence is missing")
    if "anyint-resilience = anyint_resilience.cli:main" not in scripts:
        found.append("the anyint-resilience command is missing")
    found += [f"{name} does not belong into a wheel" for name in names if name.endswith((".pyc", ".pyo"))]
    return found


def main() -> int:
    """Print each problem, return how the process should exit."""
    wheel = Path(sys.argv[1])
    found = problems(wheel)
    for problem in found:
        print(f"{wheel.name}: {problem}")
    if not found:
        print(f"{wheel.name}: {', '.join(sorted(PACKAGES))}, typed, licensed, with its command")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
