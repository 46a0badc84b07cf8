"""One process with everything at once: threads, three event loops and new ones all the time, on one ``Resilience``.

Must not know how it is judged. It runs until SIGTERM, ends its users, closes its clients and says how it left.

    SOAK_SETTING=... python -m hostile.soak.mixed
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
import time
import warnings
from typing import Any

from .journal import Journal
from .sampling import Sampler
from .setting import Setting, no_core
from .surfaces import BLOCKING, blocking
from .users import Users

__all__ = ["main", "plant", "until_told"]


def until_told() -> threading.Event:
    """Return what is set once this process is told to end."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return told


def plant(what: str) -> list[Any]:
    """Leak something on purpose, to see that it is caught; return what keeps it."""
    kept: list[Any] = []
    made = {
        "memory": lambda: bytearray(b"x" * 65_536),
        "blocks": lambda: [object() for _ in range(300)],
        "sockets": socket.socket,
        "threads": lambda: threading.Thread(target=threading.Event().wait, daemon=True),
    }.get(what)
    if made is None:
        return kept

    def leak() -> None:
        while True:
            kept.append(made())
            if what == "threads":
                kept[-1].start()
            time.sleep(0.5)

    threading.Thread(target=leak, daemon=True).start()
    return kept


def main() -> int:
    """Call until told to end."""
    no_core()
    logging.disable()
    warnings.simplefilter("ignore")
    setting, told = Setting.from_env(), until_told()
    journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
    sampler = Sampler(setting, journal, traced=True)
    anyint = setting.resilience(listeners=[sampler.heard])
    users = Users(setting, anyint, journal, sampler)
    surfaces = blocking(BLOCKING, setting.url, anyint, journal)
    for surface in surfaces:
        users.threads(surface, 2)
    users.loop("asyncio-1", "asyncio", 2)
    users.loop("asyncio-2", "asyncio", 1)
    users.loop("trio", "trio", 2)
    users.loops_anew()
    kept = plant(setting.plant)
    told.wait()
    ended = users.end(surfaces)
    gc.collect()
    sampler.stop()
    kept.clear()
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main())
