"""The two programs of Prometheus: where they are, and what promtool says of our files.

Must not know what is measured. Where they are missing, root on Debian gets them from its own packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["RULE_FILES", "Problem", "check_rules", "find"]

ROOT = Path(__file__).resolve().parents[2]
RULE_FILES = (ROOT / "observability" / "rules.yml", ROOT / "observability" / "alerts.yml")
TESTS = ROOT / "observability" / "alerts_test.yml"
PACKAGE = "prometheus"
NAMES = ("prometheus", "promtool")


class Problem(Exception):
    """Something that must be put right first, or a finding; the text is for people."""


def find() -> dict[str, str]:
    """Return the paths of prometheus and promtool, installing Debian's package if that is possible.

    Raises:
        Problem: if they are missing and cannot be installed from here.
    """
    if not all(shutil.which(name) for name in NAMES):
        _install()
    found = {name: shutil.which(name) for name in NAMES}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise Problem(
            f"{' and '.join(missing)} not found. Debian, Ubuntu: apt-get install {PACKAGE}. macOS: brew install "
            f"{PACKAGE}. Elsewhere: put both programs of a Prometheus release (2.40 or later) on the PATH."
        )
    return {name: str(path) for name, path in found.items()}


def _install() -> None:
    """Install the package where we may: as root, with apt-get."""
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    print(f"installing {PACKAGE} with apt-get")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", PACKAGE]):
        done = subprocess.run([apt, *words], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"apt-get {' '.join(words)} failed:\n{done.stderr.strip()}")


def check_rules(promtool: str) -> str:
    """Check the rules and run the unit tests of the alerts; return what promtool said.

    Raises:
        Problem: with promtool's own words, if it finds anything.
    """
    said = []
    for words in (["check", "rules", *map(str, RULE_FILES)], ["test", "rules", str(TESTS)]):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"promtool {' '.join(words[:2])}:\n{done.stdout}{done.stderr}".strip())
        said.append(f"promtool {' '.join(words[:2])}: " + " ".join(done.stdout.split()))
    return "\n".join(said).replace(f"{ROOT}{os.sep}", "")
