"""The lowest versions that pyproject.toml promises: ``python -m tools.supply.bounds FILE`` writes them as constraints.

uv says which release is the lowest that a bound lets in; where that is another than the bound itself (never made, or
taken back), the bound promises what nobody can install, and the program fails.
Must not know what is tested with them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["OWN", "Bound", "applies", "bounds", "lowest", "main", "untrue"]

ROOT = Path(__file__).resolve().parents[2]
OWN = "anyint-resilience"
CORE, BUILD = "(always)", "(to build)"


class Bound:
    """One dependency as pyproject.toml has it, and who asks for it."""

    def __init__(self, requirement: Requirement) -> None:
        (lower,) = [it for it in requirement.specifier if it.operator == ">="] or [None]
        if lower is None or len(requirement.specifier) != 1:
            raise ValueError(f"{requirement}: a dependency has a lower bound, and nothing else")
        self.name = canonicalize_name(requirement.name)
        self.lower = Version(lower.version)
        self.marker = requirement.marker
        self.extras: list[str] = []

    def pin(self) -> str:
        """Return the requirement that nothing but the lowest version meets."""
        return f"{self.name}=={self.lower}"


def applies(requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
    """Return whether this Python wants it, with one of these extras."""
    marker, here = requirement.marker, {key: str(value) for key, value in default_environment().items()}
    return marker is None or any(marker.evaluate({**here, "extra": extra}) for extra in extras)


def bounds(project: Mapping[str, Any], *, everywhere: bool = False) -> dict[str, Bound]:
    """Return every dependency, extra and build requirement; without ``everywhere``, those of this Python."""
    found: dict[str, Bound] = {}
    for asker, requirement in _all(project):
        if requirement.name == OWN or not (everywhere or applies(requirement)):
            continue
        bound = found.setdefault(canonicalize_name(requirement.name), Bound(requirement))
        if Bound(requirement).lower != bound.lower:
            raise ValueError(f"{requirement}: {asker} has another lower bound than {', '.join(bound.extras)}")
        bound.extras.append(asker)
    return dict(sorted(found.items()))


def _all(project: Mapping[str, Any]) -> Iterator[tuple[str, Requirement]]:
    table = project["project"]
    groups = {CORE: table["dependencies"], **table["optional-dependencies"], BUILD: project["build-system"]["requires"]}
    return ((asker, Requirement(line)) for asker, lines in groups.items() for line in lines)


def lowest(pins: str) -> dict[str, Version]:
    """Return the versions in what uv printed."""
    lines = [line.split("#")[0].split(";")[0].strip() for line in pins.splitlines()]
    pairs = [line.partition("==") for line in lines if "==" in line]
    return {canonicalize_name(name.partition("[")[0].strip()): Version(version) for name, _, version in pairs}


def untrue(wanted: Mapping[str, Bound], there: Mapping[str, Version]) -> list[str]:
    """Return in words each bound whose own version cannot be had."""
    return [
        f"{name}>={bound.lower}: the lowest that can be installed is {there.get(name, 'none')}; raise the bound"
        for name, bound in wanted.items()
        if there.get(name) != bound.lower
    ]


def main(words: Sequence[str] = ()) -> int:
    """Write the constraints, and say which bound is not true. Return how the process should exit."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply.bounds")
    parser.add_argument("constraints", type=Path, help="where the lowest versions are written")
    parser.add_argument("--uv", default="uv", help="the program")
    parsed = parser.parse_args(words)
    wanted = bounds(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    asked = "\n".join(f"{bound.name}>={bound.lower}" for bound in wanted.values())
    command = (parsed.uv, "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate")
    done = subprocess.run(
        [*command, "--resolution", "lowest-direct", "--python", sys.executable, "-"],
        input=asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return done.returncode
    problems = untrue(wanted, lowest(done.stdout))
    parsed.constraints.write_text("".join(f"{bound.pin()}\n" for bound in wanted.values()), encoding="utf-8")
    print("\n".join(problems) or parsed.constraints.read_text(encoding="utf-8"), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
