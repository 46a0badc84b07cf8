"""What is left behind: threads, file descriptors, tasks, connections, memory; and a watchdog for calls that hang.

Must not know faults or plans.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Left", "left", "living", "rss", "settled", "watchdog"]

Left = dict[str, int]


def left() -> Left:
    """Count the threads and the file descriptors of this process."""
    gc.collect()
    return {"threads": threading.active_count(), "fds": len(os.listdir("/proc/self/fd"))}


def rss() -> int:
    """Return this process's memory, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise OSError("no VmRSS")


def settled(count: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 5.0) -> Any:
    """Count until it is good, for so long at the most; return the last count."""
    end = time.monotonic() + seconds
    while True:
        found = count()
        if good(found) or time.monotonic() > end:
            return found
        time.sleep(0.02)


async def living(backend: str) -> int:
    """Count the tasks of the running event loop."""
    if backend == "asyncio":
        return len(asyncio.all_tasks())
    import trio

    return int(trio.lowlevel.current_statistics().tasks_living)


@contextlib.contextmanager
def watchdog(running: Mapping[int, float], bound: float, say: Callable[[int], object]) -> Iterator[None]:
    """End the process, with every thread's stack, when a call is under way for longer than the bound."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            now = time.monotonic()
            for number, began in list(running.items()):
                if now - began > bound:
                    say(number)
                    faulthandler.dump_traceback(sys.stderr)
                    sys.stderr.flush()
                    os._exit(3)

    thread = threading.Thread(target=look, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
