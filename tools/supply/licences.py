"""The licences of all that the package brings: ``python -m tools.supply.licences`` fails on one nobody has looked at.

pip-licenses reads them. Must not know a version: what is installed here is asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

from .closure import closure

__all__ = ["ALLOWED", "SPELLINGS", "licences", "main", "problems", "spelled"]

ALLOWED: Mapping[str, str] = {
    "Apache-2.0": "our own",
    "BSD-2-Clause": "permissive",
    "BSD-3-Clause": "permissive",
    "MIT": "permissive",
    "MPL-2.0": "on its own files only: nothing is asked of who imports them unchanged",
    "PSF-2.0": "Python's own",
}
"""Licences under which a dependency may stand, and why."""

SPELLINGS: Mapping[str, str] = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",  # so say classifiers, without the number: commonmark, wrapt (which has 2) and others
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""How older metadata writes them."""


def spelled(said: str) -> list[str]:
    """Return the licences in what metadata says, each by its SPDX name where it is known.

    "A OR B" and classifiers ("A; B") are a choice: all of it is listed, and all of it must be allowed.
    """
    parts = [part.strip(" ()") for word in said.split(";") for part in word.replace(" AND ", " OR ").split(" OR ")]
    if said in SPELLINGS:  # whose name has brackets
        return [SPELLINGS[said]]
    return sorted({SPELLINGS.get(part, part) for part in parts if part})


def problems(found: Mapping[str, str]) -> list[str]:
    """Return in words each distribution whose licence is not allowed, or not said."""
    return [
        f"{name}: {one or 'no licence is said'}: read it, and add it to ALLOWED or take the dependency out"
        for name, said in found.items()
        for one in (spelled(said) or [""])
        if one not in ALLOWED
    ]


def licences(names: Iterable[str]) -> dict[str, str]:
    """Return what the metadata of these distributions says."""
    wanted = sorted(names)
    command = (sys.executable, "-m", "piplicenses", "--from", "mixed", "--with-system", "--format", "json")
    done = subprocess.run([*command, "--packages", *wanted], capture_output=True, text=True, check=True)
    rows = {canonicalize_name(row["Name"]): row["License"] for row in json.loads(done.stdout)}
    return {name: "" if rows.get(name, "UNKNOWN") == "UNKNOWN" else rows[name] for name in wanted}


def main() -> int:
    """List them, and what is wrong. Return how the process should exit."""
    found = licences(closure())
    for name, said in found.items():
        print(f"{name:24} {' or '.join(spelled(said))}")
    wrong = problems(found)
    print("\n".join(wrong) or f"{len(found)} distributions, all under {', '.join(ALLOWED)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
