"""Check what a wheel would put into site-packages, and what an sdist holds.

Usage: ``python tools/check_wheel.py DIST.whl [DIST.tar.gz]``. The tree beside this file says what belongs into them.
Must not know how they are built.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {path.name: path for path in ROOT.glob("adapters/anyint_resilience_*") if path.is_dir()}
SOURCES["anyint_resilience"] = ROOT / "anyint_resilience"
PACKAGES = set(SOURCES)
SUFFIXES = {".py", ".lua", ".typed"}
INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
ENTRIES = (
    "[console_scripts]\nanyint-resilience = anyint_resilience.cli:main",
    "[pytest11]\nanyint_resilience_pytest = anyint_resilience_pytest",
)
SDIST = {
    *("adapters", "anyint_resilience", "benchmarks", "docs", "hostile", "observability", "tests", "tools"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
    *("mkdocs.yml", "noxfile.py", "pyproject.toml", "PKG-INFO", ".gitignore"),
}
"""What may stand at the top of an sdist."""

NEVER = re.compile(
    r"__pycache__|\.py[co]$|\.so$|\.env|\.git/|\.nox|\.netrc|\.pypirc|\.pem$|\.key$|\.(sqlite|db)\d?$|\.log$"
)


def problems(wheel: Path) -> list[str]:
    """Everything wrong with the wheel, in words."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")] or [""]
        scripts = archive.read(entry_points).decode() if entry_points else ""
        broken = archive.testzip()
    found = [] if broken is None else [f"{broken} is broken"]
    info = "-".join(wheel.name.split("-")[:2]) + ".dist-info/"
    inside = {name for name in names if not name.startswith(info)}
    top = {name.split("/")[0] for name in inside}
    if top != PACKAGES:
        found.append(f"top-level names are {sorted(top)}, expected {sorted(PACKAGES)}")
    found += [f"{package}/py.typed is missing" for package in sorted(PACKAGES) if f"{package}/py.typed" not in names]
    if f"{info}licenses/LICENSE" not in names:
        found.append("the licence is missing")
    found += [f"the entry point is missing: {entry!r}" for entry in ENTRIES if entry not in scripts]
    found += [f"{name} is missing" for name in sorted(expected() - inside)]
    unwanted = (inside - expected()) | ({name.removeprefix(info) for name in names if name.startswith(info)} - INFO)
    return [*found, *(f"{name} does not belong into a wheel" for name in sorted(unwanted))]


def expected() -> set[str]:
    """Every file of the packages' in the tree: what a wheel holds, and nothing else."""
    return {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in SOURCES.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }


def sdist_problems(sdist: Path) -> list[str]:
    """Everything wrong with the source distribution, in words."""
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    root = sdist.name.removesuffix(".tar.gz") + "/"
    names = {member.name.removeprefix(root) for member in members}
    found = [f"{it.name} is no plain file" for it in members if not (it.isfile() or it.isdir())]
    found += [f"{it.name} is somebody's: {it.uname or it.uid}" for it in members if it.uid or it.uname]
    found += [f"{it.name} is outside of {root}" for it in members if not it.name.startswith(root)]
    wanted = {source.replace("anyint_resilience_", "adapters/anyint_resilience_", 1) for source in expected()}
    found += [f"{name} is missing" for name in sorted(wanted - names)]
    return [*found, *_strange(names)]


def _strange(names: Iterable[str]) -> Iterator[str]:
    for name in sorted(names):
        if PurePosixPath(name).parts[0] not in SDIST or NEVER.search(name):
            yield f"{name} does not belong into an sdist"


def main() -> int:
    """Print each problem, return how the process should exit."""
    wheel, *sdists = map(Path, sys.argv[1:])
    found = [f"{wheel.name}: {problem}" for problem in problems(wheel)]
    found += [f"{sdist.name}: {problem}" for sdist in sdists for problem in sdist_problems(sdist)]
    if not found:
        print(
            f"{wheel.name}: {', '.join(sorted(PACKAGES))}, {len(expected())} files, typed, licensed, with its command"
        )
        print("".join(f"{sdist.name}: nothing strange in it\n" for sdist in sdists), end="")
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
