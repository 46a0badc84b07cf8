"""What each process writes down about its calls, line by line; must not know whether any of it is good.

A line is one ``write`` to a file opened for appending: whole also when its process is killed, and in a file that forks
share. ``["b", pid, at, call, kind, create]`` before a call, ``["e", pid, at, call, told, why, note]`` after it,
``["x", pid, at, text]`` for what should not have happened, ``["n", pid, at, word]`` for what is only counted.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

from .jobs import Job

__all__ = ["Journal", "kind_of"]

_LONGEST = 3000  # of what is written of a traceback: one write stays one write


class Journal:
    """The journal of one kind of process."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def begun(self, job: Job) -> None:
        """Note that a call is about to be made."""
        self._write("b", job.name, job.kind, job.what)

    def ended(self, job: Job, told: str, why: str = "", note: str = "") -> None:
        """Note how a call ended."""
        self._write("e", job.name, told, why, note)

    def count(self, word: str) -> None:
        """Note something that is only counted."""
        self._write("n", word)

    def wrong(self, text: str, error: BaseException | None = None) -> None:
        """Note what should not have happened."""
        if error is not None:
            text = f"{text}: {''.join(traceback.format_exception(error))[-_LONGEST:]}"
        self._write("x", text)

    def _write(self, sort: str, *words: Any) -> None:
        os.write(self._fd, json.dumps([sort, os.getpid(), round(time.monotonic(), 3), *words]).encode() + b"\n")


def kind_of(error: BaseException) -> str:
    """Return the name of an exception as the application knows it: of ours that are also the client's, ours."""
    for it in type(error).__mro__:
        if it.__module__.startswith("anyint_resilience."):
            return it.__name__
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
