"""A thread with an event loop of its own, beside the calls of this process. Must not know what goes on there.

It is started when first needed and ends with the process; a forked child has none of its parent's, and starts its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Companion"]

_MOMENT, _AGAIN = 1.0, 0.5  # seconds

_PARENTS: list[asyncio.AbstractEventLoop] = []
"""Loops of the processes that this one was forked from: to close one would take it from its owner, who shares it."""


class _Run:
    """One thread with its loop, from its start to its end."""

    def __init__(self, name: str, main: Callable[[], Coroutine[Any, Any, None]], barred: Callable[[], object]) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(False)  # a program that is debugged wants to hear of its own tasks, not of these
        self.pid = os.getpid()
        self.thread = threading.Thread(target=self._run, args=(main, barred), name=name, daemon=True)
        self._task: asyncio.Task[None] | None = None
        try:
            self.thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    def call(self, what: Callable[[], object]) -> bool:
        """Have something called on the loop, soon; False if it has ended."""
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:  # closed
            return False
        return True

    def end(self) -> None:
        """Have it end."""
        self.call(self._cancel)

    def wait(self) -> None:
        """Wait a moment for it to have ended."""
        if threading.current_thread() is not self.thread:
            self.thread.join(_MOMENT)

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self.loop.call_later(_AGAIN, self._cancel)  # wait_for may lose one, before Python 3.12

    def _run(self, main: Callable[[], Coroutine[Any, Any, None]], barred: Callable[[], object]) -> None:
        if asyncio._get_running_loop() is not None:  # gevent's threads are one to asyncio, which runs one loop in each
            self.loop.close()
            barred()
            return
        asyncio.set_event_loop(self.loop)
        self._task = self.loop.create_task(main())
        try:
            self.loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self.loop.run_until_complete(_let_go())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self.loop.close()


async def _let_go() -> None:
    """End what was left behind, and let connections that were told to close do so: that takes a turn of the loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.sleep(0)


class Companion:
    """What runs beside the calls: ``main``, on a thread with a loop, one at a time.

    ``barred`` is told, on that thread, where it can't run: another loop runs there.
    """

    def __init__(
        self, name: str, main: Callable[[], Coroutine[Any, Any, None]], barred: Callable[[], object] = lambda: None
    ) -> None:
        self._name = name
        self._main = main
        self._barred = barred
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._ending: _Run | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started in this process, and was not told to end."""
        run = self._run
        return run is not None and run.pid == os.getpid()

    def start(self) -> None:
        """Start it, if it does not run. Raises RuntimeError where there can be no more threads, or not yet."""
        if self.runs:
            return
        with self._lock:
            if self.runs:
                return
            if self._ending is not None:  # it has to let go of what it holds first
                self._ending.wait()
                if self._ending.thread.is_alive() and not self.inside():
                    raise RuntimeError("the one before has not ended yet")
            self._run = _Run(self._name, self._main, self._barred)
        atexit.register(self.stop)

    def call(self, what: Callable[[], object]) -> bool:
        """Have something called on the loop, soon; False if there is none any more."""
        run = self._run
        return run is not None and run.pid == os.getpid() and run.call(what)

    def inside(self) -> bool:
        """Whether this is its own thread."""
        run = self._run
        return run is not None and threading.current_thread() is run.thread

    def forked(self) -> None:
        """Forget the parent's: its thread is not here."""
        _PARENTS.extend(it.loop for it in (self._run, self._ending) if it is not None)
        self._lock = threading.Lock()
        self._run = self._ending = None

    def stop(self, *, wait: bool = True) -> None:
        """End it, and wait a moment for that; it may be started again."""
        atexit.unregister(self.stop)
        with self._lock:
            run, self._run = self._run, None
            if run is None or run.pid != os.getpid():
                return
            self._ending = run
        run.end()
        if wait:
            run.wait()
