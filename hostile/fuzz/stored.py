"""A store's file on which all inputs are tried, and a way to write into it as nobody should.

Must not know what is written there, nor what is expected of it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.machine import MachineBackend
from anyint_resilience.stores.roles import Nobody
from anyint_resilience.stores.sqlite import SqliteStore

__all__ = ["NOBODY", "NOW", "File", "file", "run"]

NOW: Final = 1.8e9


class File:
    """A store's file and its guards' file, and a way to write into them behind the store's back."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # a disk would be all that is measured
        self._folder = tempfile.TemporaryDirectory(prefix="anyint-fuzz-", dir=memory if memory.is_dir() else None)
        path = f"{self._folder.name}/store.db"
        runtime = Runtime(monotonic=lambda: NOW, wall=lambda: NOW, random=lambda: 0.5)
        self.store = SqliteStore(path, runtime.wall)
        self.backend = MachineBackend(path, runtime)
        self.guards = self.backend._store
        run(self.backend.beat())
        self._behind = sqlite3.connect(path, isolation_level=None)
        self._guards_behind = sqlite3.connect(f"{path}-guards", isolation_level=None)
        for it in (self._behind, self._guards_behind):
            it.execute("PRAGMA synchronous = OFF")

    def write(self, key: str, text: bytes, expires: object, *, guards: bool = False) -> None:
        """Put a row there as the file's owner would, or nobody."""
        state: object = text
        try:
            state = text.decode()
        except UnicodeDecodeError:
            pass  # it stands there as bytes
        db = self._guards_behind if guards else self._behind
        db.execute("DELETE FROM entries")
        if expires is None:
            expires = b""
        db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", (key, state, expires))

    def read(self, key: str) -> Any:
        """Return what stands there."""
        return self._behind.execute("SELECT state, expires FROM entries WHERE key = ?", (key,)).fetchone()


@lru_cache(maxsize=1)
def file() -> File:
    """Return the one file of this process."""
    return File()


class _Quiet(Nobody):
    def seen(self, view: Any) -> None:
        """Nobody looks."""

    def peered(self, peers: int) -> None:
        """Nobody counts."""

    def reborn(self) -> None:
        """Nobody mourns."""


NOBODY: Final = _Quiet()


def run(what: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        what.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")
