"""The end of a process that has told its result: nothing that was left behind may hold it up, or spoil its exit code.

Must not know what was left behind: threads of a user's module, executors that Python joins, what is called at exit.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import Final

from .chosen import is_program

__all__ = ["Ending", "ends_with"]

_GRACE: Final = 3.0  # seconds that all of it may take
_INTERRUPTED, _WRONG = 130, 2
_leave: Final = os._exit  # a module of the user's gets another
_final: list[int] = []


def ends_with(code: int) -> None:
    """Take the exit code that ``main`` returns, which counts where something went wrong after the result."""
    _final[:] = [code]


class Ending:
    """Sees to it that a program ends, with ``code``, soon after this block did. In other processes it does nothing.

    What is called at exit is called; then the process ends at once, since Python would die of a thread that prints.
    """

    def __init__(self) -> None:
        self.code = _WRONG

    def __enter__(self) -> Ending:
        _final.clear()
        if is_program():
            atexit.register(self._end)  # the first one that is registered is the last one that is called
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.code = _INTERRUPTED if issubclass(kind, KeyboardInterrupt) else _WRONG
        if is_program():
            timer = threading.Timer(_GRACE, self._end)
            timer.daemon = True
            timer.start()

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        _leave(_final[0] if _final else self.code)
