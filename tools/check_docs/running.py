"""Run programs of documents through the nursery, some at a time, and say in words which fail.

Must not know how the nursery forks.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .blocks import ROOT, Program, named
from .looking import imports

__all__ = ["SECONDS", "Nursery", "Result", "kind", "problem", "run"]

SECONDS = 30.0  # a block that takes longer is killed
STARTING = 120.0


@dataclass(frozen=True)
class Result:
    """What became of a program. ``code`` is None where it was killed."""

    program: Program
    code: int | None
    seconds: float
    output: str


def kind(program: Program) -> str:
    """What runs it: bash, python, or pytest where it has tests at its top level."""
    if program.language == "bash":
        return "bash"
    with contextlib.suppress(SyntaxError):
        for node in ast.parse(program.text).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                return "pytest"
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                return "pytest"
    return "python"


class Nursery:
    """The process that forks for each program. A context manager; threads may share it."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._modules = sorted(set(modules))
        self._folder = tempfile.TemporaryDirectory(prefix="docs-")
        self._place = os.path.join(self._folder.name, "socket")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Nursery:
        """Start it, and wait until it has imported all that can be imported before a fork."""
        while (said := self._start()) and said[0] == "cold":
            self._end()
            package = said[1].partition(".")[0]
            self._modules = [name for name in self._modules if name.partition(".")[0] != package]
        if said != ["ready"]:
            self.__exit__()
            raise RuntimeError("the process that runs the blocks did not start: see above")
        return self

    def _start(self) -> list[str]:
        words = [sys.executable, "-W", "error", "-m", f"{__package__}.nursery", self._place, *self._modules]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()
        Path(self._place).unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        """End it, with whatever still runs."""
        self._end()
        self._folder.cleanup()

    def run(self, program: Program, seconds: float = SECONDS) -> Result:
        """Run one program to its end, or for so many seconds."""
        job = {"kind": kind(program), "text": program.text, "file": str(program.path), "seconds": seconds}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds + STARTING)
            connection.connect(self._place)
            with connection.makefile("rw", encoding="utf-8") as lines:
                lines.write(json.dumps(job) + "\n")
                lines.flush()
                answer = lines.readline()
        if not answer:
            return Result(program, 70, 0.0, "its keeper died")
        return Result(program, **json.loads(answer))


def run(programs: list[Program], *, jobs: int = 2, seconds: float = SECONDS) -> Iterator[Result]:
    """What became of each, in the order of the pages, ``jobs`` at a time."""
    if not programs:
        return
    if not hasattr(os, "fork"):
        raise RuntimeError("blocks are run by forking, which this system can't: Linux and macOS do")
    modules = {name for program in programs for block in program.blocks for name in imports(block)}
    with Nursery(modules) as nursery, ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda program: nursery.run(program, seconds), programs)


def problem(result: Result) -> str:
    """What went wrong, with the line where it did, for people; nothing, if all went well."""
    if result.code == 0:
        return ""
    program, output = result.program, result.output.strip()
    line = _line(program, output)
    where = f"{named(program.path)}:{line}" if line else program.where
    begins = f" (the block begins in line {program.blocks[0].line})" if line else ""
    if result.code is None:
        words = f"it ran for over {result.seconds:.1f} s and was killed"
    elif result.code < 0:
        words = f"it died of signal {-result.code}"
    else:
        words = f"it fails, exit {result.code}"
    said = "".join(f"\n    {row}" for row in output.splitlines()) or "\n    (it said nothing)"
    return f"{where}: {words}{begins}{said}"


def _line(program: Program, output: str) -> int | None:
    """The page's line in which it failed, as far as a traceback, pytest or bash tells."""
    name = re.escape(str(program.path))
    test = rf"test_{re.escape(Path(program.path).stem.replace('-', '_'))}\.py"
    patterns = {
        "python": rf'File "{name}", line (\d+)',
        "pytest": rf"(?m)^{test}:(\d+)",
        "bash": r"(?m)^line (\d+):",
    }
    found = re.findall(patterns[kind(program)], output)
    return int(found[-1]) if found else None
