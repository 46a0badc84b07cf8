"""What the tests of the stores share: each backend, a clock that is set by hand, and other processes to play with.

Must not know what a state means. Another process says a line when it is where the test wants it; nobody sleeps.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.sqlite import SqliteStore

Make = Callable[..., Any]

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither fork nor POSIX locks")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def _memory(folder: Path, clock: Clock, **options: Any) -> MemoryStore:
    return MemoryStore(clock, **options)


def _sqlite(folder: Path, clock: Clock, **options: Any) -> SqliteStore:
    return SqliteStore(folder / "store.db", clock, **options)


BACKENDS: dict[str, Make] = {"memory": _memory, "sqlite": _sqlite}


def put(store: Any, key: str, state: Any, ttl: float = 60.0) -> Any:
    """Write a state; returns the one before."""
    return store.update(key, lambda before, now: (state, before), ttl)


def get(store: Any, key: str) -> Any:
    """Read a state, and leave it as it is."""
    return store.update(key, lambda state, now: (state, state), 60.0)


def add(state: Any, now: float) -> tuple[Any, int]:
    """Count one more."""
    count = 1 if state is None else state["count"] + 1
    return {"count": count}, count


def sql(file: Path, statement: str, *values: object) -> list[Any]:
    """Do something to the file behind the store's back."""
    db = sqlite3.connect(file, isolation_level=None)
    try:
        return db.execute(statement, values).fetchall()
    finally:
        db.close()


_HEAD = """
import os, signal, sys
sys.path[:0] = {path!r}
from anyint_resilience.stores.sqlite import SqliteStore
from tests.unit.store_kit import add, get, put
clock = lambda: 1_800_000_000.0
def say(*words):
    print(*words, flush=True)
store = SqliteStore({file!r}, clock)
"""


class Other:
    """Another process that has the store on a file open and runs ``code``."""

    def __init__(self, file: Path, code: str) -> None:
        path = [entry for entry in sys.path if entry]
        whole = _HEAD.format(path=path, file=str(file)) + code
        self.process = subprocess.Popen(
            [sys.executable, "-c", whole],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def hear(self) -> str:
        """Wait for what it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        """Let it go on from where it waits for a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it as ``kill -9`` does, and wait until it has ended."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Wait until it ends by itself; returns its status."""
        return self.process.wait()
