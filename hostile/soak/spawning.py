"""A process that spawns workers all the while and hands them a pickled ``Resilience``; must not know any judge.

``SOAK_SETTING=... python -m hostile.soak.spawning``
"""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import sys
import warnings

from anyint_resilience import Resilience

from .forking import HUNG, few_blocking, few_on_asyncio
from .jobs import Drawer
from .journal import Journal
from .mixed import until_told
from .sampling import Sampler
from .setting import Setting, no_core
from .surfaces import BLOCKING, ON_ASYNCIO, Blocking

__all__ = ["main", "work"]

PACE = 5.0  # seconds from one to the next: to start an interpreter costs more than all of its calls
CALLS = 3


def work(setting: Setting, anyint: Resilience) -> None:
    """Make some calls on each surface, on the configuration that came pickled."""
    faulthandler.dump_traceback_later(HUNG, exit=True)
    no_core()
    logging.disable()
    warnings.simplefilter("ignore")
    journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
    try:
        drawer = Drawer(setting.seed, setting.place(), setting.store_name)
        for names, few in ((BLOCKING, few_blocking), (ON_ASYNCIO, few_on_asyncio)):
            for library in names:
                jobs = [job for job in (drawer.draw() for _ in range(CALLS)) if job.kind != "wait"]
                few(setting, anyint, journal, library, [*jobs, drawer.draw("shared")])
    except BaseException as error:
        journal.wrong("a spawned worker failed", error)
        raise
    if anyint.ledger.store is not None:
        anyint.ledger.store.close()


def main() -> int:
    """Spawn until told to end."""
    no_core()
    logging.disable()
    setting, told = Setting.from_env(), until_told()
    journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
    sampler = Sampler(setting, journal)
    anyint = setting.resilience()
    surface = Blocking("httpx", setting.url, anyint, journal)
    drawer = Drawer(setting.seed, setting.place(), setting.store_name)
    context = multiprocessing.get_context("spawn")
    while not told.wait(PACE):
        surface.make(drawer.draw("shared"))
        worker = context.Process(target=work, args=(setting, anyint), daemon=True)
        worker.start()
        journal.count("spawn")
        worker.join(HUNG * 1.5)
        if worker.exitcode != 0:
            journal.wrong(f"the spawned worker {worker.pid} ended with {worker.exitcode}")
        worker.close() if worker.exitcode is not None else worker.kill()
    surface.close()
    sampler.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
