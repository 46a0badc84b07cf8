"""One target's run: the process that fuzzes it, its bounds, and what libFuzzer says of it -> figures.

Must not know which targets there are. libFuzzer adds what it finds to the first folder that it is given: one that is
new for each run; the committed corpus is only read.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from .targets import LONGEST, corpus_of, target

__all__ = ["HERE", "Run", "dictionary", "finished", "named", "started"]

HERE: Final = Path(__file__).resolve().parents[2]

MEMORY_MB: Final = 2048
"""Of one process; libFuzzer calls more a crash."""
SLOWEST: Final = 10
"""Seconds for one input; libFuzzer calls more a crash."""
_SLACK: Final = 120  # seconds after which a fuzzer that should have ended is ended

_PROGRESS: Final = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)", re.MULTILINE)
_STAT: Final = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_CRASH: Final = re.compile(r"Test unit written to (\S+)")
_CAUSE: Final = re.compile(r"=== Uncaught Python exception: ===\n(.*)")


@dataclass(slots=True)
class Run:
    """A target that is being fuzzed, in a folder of its own."""

    name: str
    seconds: int
    seed: int
    folder: Path
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=monotonic)

    @property
    def log(self) -> Path:
        """What libFuzzer prints."""
        return self.folder / "log"

    @property
    def found(self) -> Path:
        """What it adds to the corpus."""
        return self.folder / "found"


def named(data: bytes) -> str:
    """Return the name of an input's file, as libFuzzer has it."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def dictionary(words: Iterable[str]) -> str:
    """Return a dictionary as libFuzzer reads it."""
    lines = []
    for word in sorted({it.encode() for it in words}):
        if 0 < len(word) <= 64:
            text = "".join(chr(it) if 32 <= it < 127 and it not in b'"\\' else f"\\x{it:02x}" for it in word)
            lines.append(f'"{text}"')
    return "\n".join(lines) + "\n"


def started(name: str, *, seconds: int, seed: int, folder: Path) -> Run:
    """Start to fuzz a target: from its corpus and its seeds, with its dictionary, within its bounds."""
    made = target(name)
    corpus_of(name).mkdir(parents=True, exist_ok=True)
    for part in ("found", "seeds", "crashes", "scratch"):
        (folder / part).mkdir(parents=True)
    for data in made.seeds():
        (folder / "seeds" / named(data)).write_bytes(data)
    (folder / "dictionary").write_text(dictionary(made.words()), encoding="ascii")
    command = [
        *(sys.executable, "-m", "hostile.fuzz.worker", name),
        *(str(folder / "found"), str(corpus_of(name)), str(folder / "seeds")),
        f"-dict={folder / 'dictionary'}",
        f"-artifact_prefix={folder / 'crashes'}/",
        *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST}", "-len_control=30"),
        *(f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SLOWEST}", "-print_final_stats=1"),
    ]
    env = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONHASHSEED": "0", "TMPDIR": str(folder / "scratch")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=HERE, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    return Run(name, seconds, seed, folder, process)


def finished(run: Run) -> dict[str, Any]:
    """Wait for a run, and return its row: inputs tried, what they reached, and what broke."""
    try:
        code = run.process.wait(run.seconds + _SLACK)
    except subprocess.TimeoutExpired:
        run.process.kill()
        run.process.wait()
        code = None
    said = run.log.read_text(encoding="utf-8", errors="replace")
    steps, stats = _PROGRESS.findall(said), {name: int(value) for name, value in _STAT.findall(said)}
    last = steps[-1] if steps else ("0", "0", "0", "0", "0b")
    first = steps[0] if steps else last
    crashes = sorted(path.name for path in (run.folder / "crashes").iterdir())
    return {
        "target": run.name,
        "inputs": max(int(last[0]), stats.get("number_of_executed_units", 0)),
        "seconds": round(monotonic() - run.began, 1),
        "seed": run.seed,
        "edges": int(last[1]),
        "edges_at_the_start": int(first[1]),
        "features": int(last[2]),
        "corpus": int(last[3]),
        "peak_rss_mb": stats.get("peak_rss_mb", 0),
        "slowest_input_s": stats.get("slowest_unit_time_sec", 0),
        "crashes": max(len(crashes), 0 if code == 0 else 1),
        "why": _why(said, code) if crashes or code != 0 else "",
    }


def _why(said: str, code: int | None) -> str:
    cause = _CAUSE.search(said)
    if cause is not None:
        return cause[1][:300]
    return "it did not end" if code is None else f"exit {code}: {said.strip()[-300:]}"


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder for runs, which goes when they are over."""
    return tempfile.TemporaryDirectory(prefix="anyint-fuzzing-")
