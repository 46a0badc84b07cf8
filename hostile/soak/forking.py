"""A process that makes calls and forks workers all the while, from a ``Resilience`` that is in use; knows no judge.

Each child goes on with the configuration it inherited: makes clients of its own, calls, and ends. Some are killed in
the middle. What a child ordered is ordered once more by its parent when it has ended, as a queue that redelivers does.

    SOAK_SETTING=... python -m hostile.soak.forking
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import random
import signal
import sys
import time
import warnings
from collections import deque
from dataclasses import replace
from typing import Any, NoReturn

from anyint_resilience import Resilience

from .jobs import Drawer, Job
from .journal import Journal
from .mixed import until_told
from .sampling import Sampler
from .setting import Setting, no_core
from .surfaces import BLOCKING, ON_ASYNCIO, Blocking, awaiting, blocking
from .users import Users

__all__ = ["few_blocking", "few_on_asyncio", "main"]

PACE = 1.5  # seconds from one fork to the next
HUNG = 45.0  # seconds after which a child tells where it stands, and is ended
KILLED = 0.15  # the share of children that are killed
CALLS = 4
LATE = 6.0  # seconds


def few_blocking(setting: Setting, anyint: Resilience, journal: Journal, library: str, jobs: list[Job]) -> None:
    """Make a few calls on a blocking client of this process's own."""
    (surface,) = blocking((library,), setting.url, anyint, journal)
    for job in jobs:
        surface.make(job)
    surface.close()


def few_on_asyncio(setting: Setting, anyint: Resilience, journal: Journal, library: str, jobs: list[Job]) -> None:
    """Do as :func:`few_blocking` on an event loop of this process's own."""

    async def run() -> None:
        (surface,) = awaiting((library,), setting.url, anyint, journal)
        for job in jobs:
            await surface.make(job)
        await surface.close()

    asyncio.run(run())


class Parent:
    """Forks children and waits for them."""

    def __init__(self, setting: Setting, anyint: Resilience, journal: Journal) -> None:
        self.setting, self.anyint, self.journal = setting, anyint, journal
        self.chance = random.Random(f"{setting.seed} {setting.label}")
        self.trace = setting.path(f"hung-{setting.label}.txt").open("a")
        self.later: deque[tuple[float, Job]] = deque()
        self.count = 0

    def round(self, over: Any) -> None:
        """Fork a child, maybe kill it, wait for it, and keep what it ordered to be ordered again."""
        self.count += 1
        what = f"fork:{self.setting.place(str(self.count))}"
        killed = self.chance.random() < KILLED
        moment = self.chance.uniform(0.0, 0.3)
        self.journal.count("fork")
        pid = os.fork()
        if pid == 0:
            self.child(what)
        if killed:
            over.wait(moment)
            os.kill(pid, signal.SIGKILL)
            self.journal.count(f"killed {pid}")
        self.judge(pid, os.waitpid(pid, 0)[1], killed=killed)
        wait = 17.0 if killed and self.setting.store_name == "redis" else 1.0  # a lease that nobody holds any more
        self.later.append((time.monotonic() + wait, self.order(what)))

    def order(self, what: str) -> Job:
        """Return the child's create as the parent makes it."""
        drawer = Drawer(self.setting.seed, what, self.setting.store_name)
        return drawer.order(what, f"{what}:again")

    def judge(self, pid: int, status: int, *, killed: bool) -> None:
        """Note a child that ended as it should not."""
        code = os.waitstatus_to_exitcode(status)
        if code != 0 and not (killed and code == -signal.SIGKILL):
            self.journal.wrong(f"the child {pid} ended with {code}")

    def child(self, what: str) -> NoReturn:
        """Make some calls and end, whatever happens."""
        code = 3
        try:
            faulthandler.dump_traceback_later(HUNG, exit=True, file=self.trace)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            drawer = Drawer(self.setting.seed, self.setting.place("child"), self.setting.store_name)
            jobs = [replace(it, within=None) for it in (drawer.draw() for _ in range(CALLS)) if it.kind != "wait"]
            jobs.insert(self.chance.randrange(2), drawer.order(what, f"{what}:first"))
            turn = self.count % (len(BLOCKING) + len(ON_ASYNCIO))
            if turn < len(BLOCKING):
                few_blocking(self.setting, self.anyint, self.journal, BLOCKING[turn], jobs)
            else:
                few_on_asyncio(self.setting, self.anyint, self.journal, ON_ASYNCIO[turn - len(BLOCKING)], jobs)
            code = 0
        except BaseException as error:
            self.journal.wrong("a forked child failed", error)
        finally:
            os._exit(code)

    def again(self, surface: Blocking) -> None:
        """Order once more what children that have ended ordered."""
        while self.later and self.later[0][0] < time.monotonic():
            due, job = self.later.popleft()
            if time.monotonic() - due < LATE:  # else the ledger may have forgotten it, and it would be made anew
                surface.make(job)


def main() -> int:
    """Fork until told to end."""
    no_core()
    logging.disable()
    warnings.simplefilter("ignore")  # 3.12: a fork of a process with threads is what this is about
    setting, told = Setting.from_env(), until_told()
    journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
    sampler = Sampler(setting, journal)
    anyint = setting.resilience(listeners=[sampler.heard])
    users = Users(setting, anyint, journal, sampler)
    surfaces = blocking(BLOCKING, setting.url, anyint, journal)
    for surface in surfaces:
        users.threads(surface, 1)
    users.loop("asyncio", "asyncio", 1)
    parent = Parent(setting, anyint, journal)
    while not told.wait(PACE):
        parent.round(told)
        parent.again(surfaces[parent.count % len(surfaces)])
    ended = users.end(surfaces)
    sampler.stop()
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main())
