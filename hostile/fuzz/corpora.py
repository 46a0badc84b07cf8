"""Small corpora: of all that was found, the inputs that together reach what all of them do. libFuzzer chooses.

Must not know any target. The seeds of a target are made anew for each run, and are not kept here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from .running import HERE, named
from .targets import LONGEST, corpus_of

__all__ = ["MOST_BYTES", "MOST_FILES", "kept"]

MOST_FILES: Final = 150
MOST_BYTES: Final = 300_000
_MOST_SECONDS: Final = 600


def kept(name: str, *folders: Path) -> tuple[int, int]:
    """Make a target's corpus anew of what it holds and of these folders; return how many files and bytes it has."""
    corpus = corpus_of(name)
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="anyint-corpus-") as scratch:
        chosen = Path(scratch) / "chosen"
        chosen.mkdir()
        command = [sys.executable, "-m", "hostile.fuzz.worker", name, str(chosen), str(corpus), *map(str, folders)]
        command += ["-set_cover_merge=1", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=10"]
        env = {**os.environ, "PYTHONPATH": str(HERE), "TMPDIR": scratch}
        subprocess.run(
            command, cwd=HERE, env=env, check=True, timeout=_MOST_SECONDS, capture_output=True, stdin=subprocess.DEVNULL
        )
        if not any(chosen.iterdir()):
            raise RuntimeError(f"nothing was chosen for {name}: its corpus stays as it is")
        shutil.rmtree(corpus)
        corpus.mkdir()
        return _copied(chosen, corpus)


def _copied(chosen: Path, corpus: Path) -> tuple[int, int]:
    """Keep as many as there is room for, the shortest first: each of them is replayed on every Python."""
    files = size = 0
    for path in sorted(chosen.iterdir(), key=lambda it: (it.stat().st_size, it.name)):
        data = path.read_bytes()
        if files < MOST_FILES and size + len(data) <= MOST_BYTES:
            (corpus / named(data)).write_bytes(data)
            files, size = files + 1, size + len(data)
    return files, size
