"""What a process says of itself every few seconds: blocks, traced memory, threads, tasks; must not know what is good.

What only the system knows (resident memory, sockets) is looked up from outside, in ``processes``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

from .journal import Journal
from .setting import Setting

__all__ = ["Sampler"]


class Sampler:
    """A thread that writes samples into ``inside-LABEL.jsonl``. ``traced``: with the memory that Python allocated."""

    def __init__(self, setting: Setting, journal: Journal, *, traced: bool = False) -> None:
        self._journal = journal
        self._path = setting.path(f"inside-{setting.label}.jsonl")
        self._every = setting.every
        self._counts: dict[str, Callable[[], int]] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.events: Counter[str] = Counter()
        if traced:
            tracemalloc.start(1)
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def heard(self, event: Any) -> None:
        """Count an event of ours."""
        with self._lock:
            self.events[event.name] += 1
        if event.name.startswith("store "):
            self._journal.count(f"{event.name}: {event.details.get('error.type', '')}")

    def watch_loop(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """Count the tasks of this loop from now on."""
        self._counts[name] = lambda: len(asyncio.all_tasks(loop))

    def watch(self, name: str, count: Callable[[], int]) -> None:
        """Count what this returns from now on."""
        self._counts[name] = count

    def stop(self) -> None:
        """Write one more, and end."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._write()
        self._counts.clear()
        self._write()

    def _write(self) -> None:
        gc.collect()
        told: dict[str, Any] = {"t": time.time(), "pid": os.getpid(), "threads": threading.active_count()}
        told["blocks"] = sys.getallocatedblocks()  # not gc.get_objects(): it breaks tuples that others just build
        if self._counts:
            told["tasks"] = sum(count() for count in list(self._counts.values()))
        if tracemalloc.is_tracing():
            told["traced_mib"] = tracemalloc.get_traced_memory()[0] / 2**20
        with self._lock:
            told["events"] = dict(self.events)
        with self._path.open("a") as file:
            file.write(json.dumps(told) + "\n")
