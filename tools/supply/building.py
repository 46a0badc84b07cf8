"""Build wheel and sdist twice and compare: ``python -m tools.supply.building FOLDER`` leaves them there.

The two builds differ in all that must not matter: folder, umask, time zone, language, the files' modes and times.
A third wheel is built from the sdist, as pip does where there is no wheel. Each build runs under an audit hook that
ends it where a socket is used, a program is started or a file is written elsewhere. Needs hatchling, and no network.
Must not know what belongs into the files: that is tools/check_wheel.py's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["WAYS", "build", "digests", "main", "watched"]

ROOT = Path(__file__).resolve().parents[2]
MADE = ("*.whl", "*.tar.gz")
LEFT = ("__pycache__", ".*", "site", "node_modules", "dist", "build")  # what a checkout does not have
KEPT = (".gitignore",)  # but for these
WAYS: Mapping[str, Mapping[str, str]] = {
    "a": {"TZ": "UTC", "LC_ALL": "C", "umask": "022", "stamp": "1700000000"},
    "b/deeper down/ü": {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "umask": "077", "stamp": "981173106"},
}
"""The folders to build in, and what else is different there."""

HOOK = """
import os, runpy, sys
here, temporary = os.path.realpath(os.getcwd()), os.path.realpath(os.environ["TMPDIR"])
def watch(event, args):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        os.write(2, f"the build uses the network: {event} {args[1:]}\\n".encode()); os._exit(3)
    if event == "subprocess.Popen":
        os.write(2, f"the build starts a program: {args[0]}\\n".encode()); os._exit(3)
    if event == "open" and isinstance(args[0], (str, os.PathLike)):
        path, _, flags = args
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        path = os.path.realpath(path)
        if writes and not path.startswith((here + os.sep, temporary + os.sep, os.devnull)):
            os.write(2, f"the build writes {path}\\n".encode()); os._exit(3)
sys.addaudithook(watch)
sys.argv = ["hatchling", "build", "-d", "out"]
runpy.run_module("hatchling", run_name="__main__", alter_sys=True)
"""


def watched(folder: Path, env: Mapping[str, str]) -> None:
    """Build in this folder, under the hook. SystemExit: it could not, or did what a build must not do."""
    done = subprocess.run(
        [sys.executable, "-c", HOOK], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise SystemExit(f"hatchling build ended with {done.returncode}: {done.stdout}{done.stderr}")


def build(tree: Path, folder: Path, way: Mapping[str, str]) -> Path:
    """Copy the tree, build wheel and sdist in the copy, and return the folder they are in."""
    shutil.copytree(tree, folder, ignore=_not_in_a_checkout)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (int(way["stamp"]),) * 2)
        if way["umask"] == "077" and path.is_file():
            path.chmod(path.stat().st_mode & 0o700)
    temporary = folder.parent / "temporary"  # not in the tree: what lies there would be built in
    temporary.mkdir()
    before = os.umask(int(way["umask"], 8))
    try:
        here = {"TZ": way["TZ"], "LC_ALL": way["LC_ALL"], "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        watched(folder, {**os.environ, **here})
    finally:
        os.umask(before)
    return folder / "out"


def _not_in_a_checkout(_: str, names: list[str]) -> set[str]:
    return set(shutil.ignore_patterns(*LEFT)("", names)) - set(KEPT)


def digests(folder: Path, patterns: Sequence[str] = MADE) -> dict[str, str]:
    """Return the SHA-256 of wheel and sdist."""
    made = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


def main(words: Sequence[str] = ()) -> int:
    """Build in each way, compare, and leave the files of one. Return how the process should exit."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply.building")
    parser.add_argument("folder", type=Path, help="where wheel and sdist are left")
    kept = parser.parse_args(words).folder
    with tempfile.TemporaryDirectory(prefix="anyint-resilience-") as outside:
        once = shutil.copytree(ROOT, Path(outside, "once"), ignore=_not_in_a_checkout)  # who edits it changes it not
        made = [build(once, Path(outside, name, "tree"), way) for name, way in WAYS.items()]
        (sdist,), unpacked = made[0].glob(MADE[1]), Path(outside, "unpacked")
        shutil.unpack_archive(sdist, unpacked)
        again = build(unpacked / sdist.name.removesuffix(".tar.gz"), Path(outside, "c", "tree"), WAYS["a"])
        hashes = [digests(folder) for folder in made]
        wheels = [digests(folder, MADE[:1]) for folder in (made[0], again)]
        if len(hashes[0]) != len(MADE) or hashes[0] != hashes[1] or wheels[0] != wheels[1]:
            print("the same tree gave different files:", *hashes, *wheels, sep="\n  ")
            return 1
        kept.mkdir(parents=True, exist_ok=True)
        for name, digest in hashes[0].items():
            shutil.copy(made[0] / name, kept)
            print(f"{digest}  {name}")
    print("built 3 times, once from the sdist: the same bytes; no socket, no program, no file elsewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
