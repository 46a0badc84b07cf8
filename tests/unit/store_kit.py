"""What the tests of the stores share: each backend, a clock that is set by hand, and other processes to play with.

Must not know what a state means. Another process says a line when it is where the test wants it; nobody sleeps.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anyint_resilience.guards import gate
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.sqlite import SqliteStore

Make = Callable[..., Any]


WAIT = 5.0
"""Seconds that calls wait for a Redis: a machine that is slow is not what is tested."""


class Behind(NamedTuple):
    """A backend: the fixture that it needs, and what makes a store of what that gives."""

    needs: str
    make: Make


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


def _redis(server: Any, clock: Clock, **options: Any) -> Any:
    from anyint_resilience.stores.redis import RedisStore

    return RedisStore(server.url, clock=clock, wait=WAIT, **options)


def _asyncio_redis(server: Any, clock: Clock, **options: Any) -> Any:
    from anyint_resilience.stores.redis import RedisStore

    class Awaited(RedisStore):
        """One whose updates are awaited, each on an event loop of its own."""

        def update(self, key: str, step: Any, ttl: float) -> Any:
            return asyncio.run(self.aupdate(key, step, ttl))

    return Awaited(server.url, clock=clock, wait=WAIT, **options)


def _trio_redis(server: Any, clock: Clock, **options: Any) -> Any:
    from anyint_resilience.stores.redis import RedisStore

    class Awaited(RedisStore):
        """One whose updates are awaited on trio."""

        def update(self, key: str, step: Any, ttl: float) -> Any:
            import trio

            return trio.run(self.aupdate, key, step, ttl)

    return Awaited(server.url, clock=clock, wait=WAIT, **options)


BACKENDS: dict[str, Make] = {"memory": _memory, "sqlite": _sqlite}
"""Those that need a folder at the most."""

EVERY: dict[str, Behind] = {
    **{name: Behind("tmp_path", make) for name, make in BACKENDS.items()},
    "redis": Behind("redis_server", _redis),
    "redis-asyncio": Behind("redis_server", _asyncio_redis),
    "redis-trio": Behind("redis_server", _trio_redis),
    "redis-cluster": Behind("redis_cluster", _redis),
    "redis-cluster-asyncio": Behind("redis_cluster", _asyncio_redis),
}


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


def shut(store: Any, key: str, seconds: float = 30.0) -> Any:
    """Have a gate shut, as a 429 does; returns the verdict."""
    words = {"ticket": f"{store.member.backend.owner}.0", "kind": "rate", "began": store.member.backend.now()}
    step = partial(gate.told, **words, hint=seconds, few=3, stays=False)
    return store.member.updating(key, step, 3600, 5.0).wait()


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a fork of this process; 0 if it returned something true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, if there are threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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
from tests.unit.store_kit import add, get, put
clock = lambda: 1_800_000_000.0
def say(*words):
    print(*words, flush=True)
"""

_SQLITE = """
from anyint_resilience.stores.sqlite import SqliteStore
store = SqliteStore({where!r}, clock)
"""

REDIS = """
from anyint_resilience.stores.redis import RedisStore
store = RedisStore({where!r}, wait=5.0)
"""


class Other:
    """Another process that has the store on a file (or what else it is made by) open and runs ``code``."""

    def __init__(self, where: Path | str, code: str, made: str = _SQLITE) -> None:
        path = [entry for entry in sys.path if entry]
        whole = (_HEAD + made).format(path=path, where=str(where)) + code
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
