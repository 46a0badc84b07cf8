"""Scripts in processes of their own, which are asked line for line.

Must not know what they do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["START_SECONDS", "Ask", "child"]

START_SECONDS = 60.0

Ask = Callable[[str, float], Any]


@contextmanager
def child(*words: str) -> Generator[tuple[Any, Ask]]:
    """Run a script in a process of its own; yields what it says first, and a way to ask it: line for line, as JSON."""
    line = [sys.executable, *words]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin: Any = process.stdin
        stdout: Any = process.stdout

        def hear(seconds: float) -> Any:
            late = threading.Timer(seconds, process.kill)
            late.start()
            heard = stdout.readline()
            late.cancel()
            if not heard:
                raise ChildProcessError(f"no answer from {' '.join(words)}")
            return json.loads(heard)

        def ask(word: str, seconds: float) -> Any:
            stdin.write(word + "\n")
            stdin.flush()
            return hear(seconds)

        try:
            yield hear(START_SECONDS), ask
        finally:
            try:
                stdin.close()
            except BrokenPipeError:
                pass
