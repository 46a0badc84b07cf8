"""The processes of a fleet, their gateways and their Redis: started together, asked together, all killed at the end.

Must not know what is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # for the tests' Redis

from tests.redis_server import Server  # noqa: E402

__all__ = ["AHEAD", "SIDES", "Child", "Herd", "Stores", "together"]

AHEAD = 1.0  # seconds from telling everybody to the beginning
START_SECONDS = 120.0
SIDES = {"local": "each process alone (store=None)", "sqlite": "SQLite, one file", "redis": "Redis"}
"""What is compared, and its name in the tables."""


class Child:
    """A script in a process of its own, asked line for line."""

    def __init__(self, *words: str) -> None:
        line = [sys.executable, str(HERE / words[0]), *words[1:]]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first: Any = None

    def hear(self, seconds: float) -> Any:
        """Return the next line; a process that says nothing for so long is killed, which is an error."""
        assert self._process.stdout is not None
        late = threading.Timer(seconds, self._process.kill)
        late.start()
        try:
            heard = self._process.stdout.readline()
        finally:
            late.cancel()
        if not heard:
            raise ChildProcessError(f"no answer from {self._process.args!r}")
        return json.loads(heard)

    def ask(self, what: Any, seconds: float = START_SECONDS) -> Any:
        """Say a line, and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write((what if isinstance(what, str) else json.dumps(what)) + "\n")
        self._process.stdin.flush()
        return self.hear(seconds)

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


class Herd:
    """Scripts that are started together: ``with Herd([words, ...]) as children``."""

    def __init__(self, lines: Sequence[Sequence[str]]) -> None:
        self._lines = lines
        self._children: list[Child] = []

    def __enter__(self) -> list[Child]:
        try:
            self._children = [Child(*words) for words in self._lines]
            for child in self._children:
                child.first = child.hear(START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self._children

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()


class Stores:
    """A Redis, and files for SQLite: a store for each side. The Redis keeps nothing on disk."""

    def __enter__(self) -> Stores:
        self._folder = tempfile.mkdtemp(prefix="fleet-")
        self.redis = Server().start()
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, side: str, name: str) -> str | None:
        """Return what a side shares, in a play of this name."""
        if side == "redis":
            return self.redis.url
        return f"sqlite:///{self._folder}/{name}.db" if side == "sqlite" else None


def together(
    workers: list[Child], gateways: list[Child], plays: list[dict[str, Any]], worlds: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Run plays at the same time, each with a gateway of its own; return what came there, and the ``calls`` made.

    The rates of the loads are those of all workers together.
    """
    begun, number = time.monotonic() + AHEAD, len(workers)
    for gateway, world in zip(gateways, worlds, strict=True):
        gateway.ask({**world, "begun": begun})

    def line(at: int) -> list[dict[str, Any]]:
        own = {"begun": begun, "seed": at + 1, "share": at / number}
        return [{**it, "load": {**it["load"], **own, "rate": it["load"]["rate"] / number}} for it in plays]

    longest = max(it["load"]["seconds"] + it["load"]["drain"] for it in plays) + START_SECONDS
    with ThreadPoolExecutor(number) as pool:
        told = list(pool.map(lambda at: workers[at].ask(line(at), longest), range(number)))
    calls = [[row for made in told for row in made[at]] for at in range(len(plays))]
    return [{**gateway.ask("arrivals"), "calls": made} for gateway, made in zip(gateways, calls, strict=True)]
