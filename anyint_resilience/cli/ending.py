"""The end of a process that has told its result: nothing that was left behind may hold it up.

Must not know what was left behind: threads of a user's module, executors that Python joins, what is called at exit.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

from .chosen import is_program

__all__ = ["Ending"]

_GRACE: Final = 3.0  # seconds that all of it may take
_INTERRUPTED, _WRONG = 130, 2
_leave: Final = os._exit  # a module of the user's gets another


class Ending:
    """Sees to it that a program ends, with ``code``, soon after this block did. In other processes it does nothing."""

    def __init__(self) -> None:
        self.code = _WRONG

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not is_program():
            return
        code = self.code if kind is None else _INTERRUPTED if issubclass(kind, KeyboardInterrupt) else _WRONG
        timer = threading.Timer(_GRACE, _end, [code])
        timer.daemon = True
        timer.start()


def _end(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    _leave(code)
