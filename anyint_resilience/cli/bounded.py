"""A call that may hang, in a thread that is left behind when its time is over. Must not know what is called.

Time-outs of a client begin anew with each byte: none of them says when a call will have ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["Late", "within"]

T = TypeVar("T")

_SLICE: Final = 0.5  # seconds; Windows lets nobody interrupt one wait


class Late(Exception):
    """It did not end in time; its thread goes on, as a daemon."""


def within(seconds: float, call: Callable[[], T], *, name: str | None = None) -> T:
    """Return what a call returns, or raise what it raises; Ctrl-C comes through. ``name``: the thread's.

    Raises:
        Late: it did not end within so many seconds.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def called() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=called, name=name, daemon=True)
    thread.start()
    until = time.monotonic() + seconds
    while thread.is_alive():
        left = until - time.monotonic()
        if left <= 0:
            break
        thread.join(min(left, _SLICE))
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # it holds the frames that hold it
    if not results:
        raise Late
    return results[0]
