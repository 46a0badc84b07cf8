"""Users: each makes one call after the other at a fixed pace, from a thread or a task; must not know any client.

Beside the users of a loop that lives there is one who takes a new loop for a few calls, again and again.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Iterable

import anyio

from anyint_resilience import Resilience

from .jobs import Drawer
from .journal import Journal
from .sampling import Sampler
from .setting import Setting
from .surfaces import ON_ASYNCIO, ON_TRIO, Awaiting, Blocking, awaiting

__all__ = ["Users"]

_DRAIN = 60.0  # seconds that users have to come to their ends
_LOOK = 0.2  # seconds after which an event loop looks again whether the run is over


class Users:
    """The users of one process, all on one ``Resilience``."""

    def __init__(self, setting: Setting, anyint: Resilience, journal: Journal, sampler: Sampler | None) -> None:
        self.setting, self.anyint, self.journal, self.sampler = setting, anyint, journal, sampler
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []

    def drawer(self, user: str, *, cancels: bool = False) -> Drawer:
        """Return what draws the calls of a user."""
        store = self.setting.store_name or f"memory-{os.getpid()}"
        return Drawer(self.setting.seed, self.setting.place(user), store, cancels=cancels)

    def threads(self, surface: Blocking, count: int) -> None:
        """Start some users of a blocking surface."""
        for number in range(count):
            drawer = self.drawer(f"{surface.library}-{number}")
            self._start(f"{surface.library} {number}", lambda it=drawer: self._use(surface, it))

    def loop(self, name: str, backend: str, count: int) -> None:
        """Start a thread with an event loop that lives, and some users on each of its surfaces."""
        self._start(name, lambda: anyio.run(self._on_loop, name, backend, count, backend=backend))

    def loops_anew(self) -> None:
        """Start a user who has a new event loop for each few calls, as a script with ``asyncio.run`` in it."""
        drawer = self.drawer("anew", cancels=True)

        def use() -> None:
            while not self.over.wait(self._pause(drawer.chance) * 2):
                asyncio.run(self._few(drawer))

        self._start("anew", use)

    def end(self, surfaces: Iterable[Blocking]) -> bool:
        """Let all users come to their ends, and close what they used; return whether they did."""
        self.over.set()
        end = time.monotonic() + _DRAIN
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        hung = [thread.name for thread in self._threads if thread.is_alive()]
        for name in hung:
            self.journal.wrong(f"{name} did not come to its end")
        for surface in surfaces:
            surface.close()
        return not hung

    def _start(self, name: str, run: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                self.journal.wrong(f"the user {name} came to an end", error)

        thread = threading.Thread(target=guarded, name=f"user {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pause(self, chance: random.Random) -> float:
        return self.setting.period * chance.uniform(0.5, 1.5)

    def _use(self, surface: Blocking, drawer: Drawer) -> None:
        while not self.over.wait(self._pause(drawer.chance)):
            surface.make(drawer.draw())

    async def _use_async(self, surface: Awaiting, drawer: Drawer) -> None:
        while not self.over.is_set():
            await anyio.sleep(self._pause(drawer.chance))
            await surface.make(drawer.draw())

    async def _on_loop(self, name: str, backend: str, count: int) -> None:
        self._watch(name, backend)
        names = ON_TRIO if backend == "trio" else ON_ASYNCIO
        surfaces = awaiting(names, self.setting.url, self.anyint, self.journal)
        try:
            async with anyio.create_task_group() as group:
                for surface in surfaces:
                    for number in range(count):
                        drawer = self.drawer(f"{name}-{surface.library}-{number}", cancels=True)
                        group.start_soon(self._use_async, surface, drawer)
        finally:
            for surface in surfaces:
                await surface.close()
        await anyio.sleep(_LOOK)  # sockets are closed in the loop's next rounds

    def _watch(self, name: str, backend: str) -> None:
        if self.sampler is None:
            return
        if backend == "asyncio":
            self.sampler.watch_loop(name, asyncio.get_running_loop())
            return
        import trio

        token = trio.lowlevel.current_trio_token()

        def living() -> int:
            try:
                told = trio.from_thread.run_sync(trio.lowlevel.current_statistics, trio_token=token)
            except trio.RunFinishedError:
                return 0
            return told.tasks_living

        self.sampler.watch(name, living)

    async def _few(self, drawer: Drawer) -> None:
        surfaces = awaiting(ON_ASYNCIO, self.setting.url, self.anyint, self.journal)
        jobs = [drawer.draw() for _ in surfaces]
        await asyncio.gather(
            *(surface.make(job) for surface, job in zip(surfaces, jobs, strict=True) if job.kind != "wait")
        )
        for surface in surfaces:
            await surface.close()
