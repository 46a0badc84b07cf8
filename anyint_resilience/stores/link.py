"""This process's one connection to a store's file: opened when needed, used by one thread at a time.

Must not know what is read and written. SQLite keeps its locks per process and notes them per connection, so one that is
open across a fork makes the child believe in locks it does not hold, and loses what it commits. Therefore all of them
are closed for a fork, and parent and child each open their own when they next need one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock, RLock
from typing import Any

from ..forking import Known, process
from . import owners, schema
from .protocol import StoreError

__all__ = ["Link"]


class Link:
    """The connection to the database under a path, and the lock that guards it.

    ``passing``: what is in it need not outlive the machine's running, and nobody waits long for it.
    """

    def __init__(self, path: str, *, passing: bool = False) -> None:
        self.path = path
        self._passing = passing
        self.opened = 0
        """How often a connection was."""
        self.lock = RLock()
        self._db: sqlite3.Connection | None = None
        self._process = (0, 0)
        self._file = (0, 0)
        with _registering:
            _links.add(self)

    def __enter__(self) -> sqlite3.Connection:
        """Take the lock and give the open connection. Raises StoreError; RuntimeError from within a step."""
        if self._db is not None and self._process != process():  # before the lock: its holder is not in this process
            raise StoreError(
                f"{self.path} was open while something other than Python's os.fork made this process;"
                " make the store in the new process; nothing was changed"
            )
        self.lock.acquire()
        try:
            if self._db is not None and self._db.in_transaction:
                raise RuntimeError("a step must not use the store it is a step of")
            return self._opened()
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        """Undo what is not committed, and let go of the lock."""
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self.drop()
        finally:
            self.lock.release()

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._file != self._under_path():
            self.drop()  # the file was deleted or replaced: what is written to the former one, nobody else sees
        if self._db is None:
            db = schema.connect(self.path, passing=self._passing)
            self.opened += 1
            self._db, self._process, self._file = db, process(), self._under_path()
        return self._db

    def _under_path(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    @contextmanager
    def telling(self) -> Generator[None, None, None]:
        """Turn what SQLite raises into a StoreError, and give the connection up: the next looks at the file anew."""
        try:
            with schema.in_words(self.path):
                yield
        except StoreError:
            self.drop()
            raise

    def drop(self) -> None:
        """Close the connection, if it is this process's. The next use opens another one."""
        if self._db is None or self._process != process():
            return
        db, self._db = self._db, None
        try:
            db.close()
        except sqlite3.Error:
            pass  # what was committed is in the file already

    def abandon(self) -> None:
        """Close the connection of a store that nobody holds any more; at exit, unless a thread is still at it."""
        if self.lock.acquire(blocking=False):
            try:
                self.drop()
            finally:
                self.lock.release()

    def stand_still(self) -> None:
        """Be closed for a fork; but a transaction of the very thread that forks goes on, in the parent alone."""
        if self._db is not None and not self._db.in_transaction:
            self.drop()


_registering = Lock()
_links = Known()
_still: list[Any] = []
"""Locks that are held for a fork, in their order."""


def _before_fork() -> None:
    interrupt = _held(_registering)
    links = _links.alive()
    for lock in (*(link.lock for link in links), owners.LOCK):
        interrupt = _held(lock) or interrupt
    for link in links:
        link.stand_still()
    if interrupt is not None:
        raise interrupt  # Python can only say so


def _held(lock: Any) -> BaseException | None:
    """Take a lock whatever comes, and return what came: Python will fork in any case, without the lock too."""
    came: BaseException | None = None
    while True:
        try:
            lock.acquire()
        except BaseException as error:  # noqa: PERF203 - Ctrl-C
            came = error
        else:
            _still.append(lock)
            return came


def _after_fork() -> None:
    while _still:
        _still.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
