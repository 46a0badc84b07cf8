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

_MOMENT = 1.0  # seconds

_PARENTS: list[asyncio.AbstractEventLoop] = []
"""Loops of the processes that this one was forked from: to close one would take it from its owner, who shares it."""


class Companion:
    """The thread and its loop; ``main`` is what runs there, from the start to the end."""

    def __init__(self, name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._main = main
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._pid = 0

    @property
    def runs(self) -> bool:
        """Whether it was started in this process, and has not ended."""
        return self._loop is not None and self._pid == os.getpid()

    def start(self) -> None:
        """Start it, if it does not run. Raises RuntimeError where there can be no more threads."""
        if self.runs:
            return
        with self._lock:
            if self.runs:
                return
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                loop.close()
                raise
            self._loop, self._thread, self._pid = loop, thread, os.getpid()
        atexit.register(self.stop)

    def call(self, what: Callable[[], object]) -> bool:
        """Have something called on the loop, soon; False if there is none any more."""
        loop = self._loop
        if loop is None or not self.runs:
            return False
        try:
            loop.call_soon_threadsafe(what)
        except RuntimeError:  # closed
            return False
        return True

    def inside(self) -> bool:
        """Whether this is its own thread."""
        return threading.current_thread() is self._thread

    def forked(self) -> None:
        """Forget the parent's: its thread is not here."""
        if self._loop is not None:
            _PARENTS.append(self._loop)
        self._lock = threading.Lock()
        self._loop = self._thread = self._task = None

    def stop(self, *, wait: bool = True) -> None:
        """End it, and wait a moment for that; it may be started again."""
        atexit.unregister(self.stop)
        with self._lock:
            if not self.runs:
                return
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        assert loop is not None
        try:
            loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return
        if wait and thread is not None and threading.current_thread() is not thread:
            thread.join(_MOMENT)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        self._task = loop.create_task(self._main())
        try:
            loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()
