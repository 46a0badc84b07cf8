"""A module of the user's kept apart from our own output: it has streams and arguments, as a program of its own has.

Must not know what the module is. While it is apart, file descriptor 1 leads to stderr, for subprocesses and libraries
in C too, and results go where it led before. A program stays so to its end: what is printed at exit, or by a thread
that goes on, is no result either.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, NoReturn, TextIO

from ..chosen import is_program, out, results_to

__all__ = ["Apart"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Apart:
    """Lends everything that a module may take for its own: streams, arguments, signals, the process's end."""

    def __init__(self) -> None:
        self._lent = ExitStack()
        self._streams = ExitStack()

    def __enter__(self) -> Apart:
        with ExitStack() as streams, ExitStack() as lent:
            _fill(streams)
            stdout = _aside(streams)
            nothing = lent.enter_context(open(os.devnull, encoding="utf-8"))  # nobody is asked anything
            _divert(nothing.fileno(), _STDIN, lent)
            for name in ("stdout", "__stdout__"):
                _put(sys, name, stdout, streams)
            for name, value in (("stdin", nothing), ("__stdin__", nothing), ("stderr", sys.stderr)):
                _put(sys, name, value, lent)
            _put(sys, "argv", sys.argv[:1], lent)
            _put(signal, "signal", _in_main_thread(signal.signal), lent)
            _put(os, "_exit", _only_in_a_fork(os._exit), lent)
            self._streams, self._lent = streams.pop_all(), lent.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._lent.close()
        if not is_program():
            self._streams.close()


def _fill(undo: ExitStack) -> None:
    """Open the standard descriptors that are closed: else what is opened next would get their numbers."""
    opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    while opened <= _STDERR:
        undo.callback(os.close, opened)
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)


def _aside(undo: ExitStack) -> TextIO:
    """Let descriptor 1 lead to stderr, and results to where it led; return a stdout for the module."""
    undo.callback(results_to, None)
    results_to(_kept(out(), undo))
    _divert(_STDERR, _STDOUT, undo)
    undo.enter_context(suppress(OSError, ValueError))  # the module may have closed it, or its descriptor
    return undo.enter_context(
        open(_STDOUT, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    )


def _kept(stream: TextIO | None, undo: ExitStack) -> TextIO:
    """Return a stream that goes where this one goes, wherever descriptor 1 leads."""
    if stream is None:
        return undo.enter_context(open(os.devnull, "w", encoding="utf-8"))
    if _descriptor(stream) != _STDOUT:
        return stream
    stream.flush()
    return undo.enter_context(open(os.dup(_STDOUT), "w", encoding=stream.encoding, errors=stream.errors))


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # it has none, or is closed
        return None


def _divert(source: int, target: int, undo: ExitStack) -> None:
    """Let a descriptor lead to where another one does, until it is undone."""
    kept = os.dup(target)
    undo.callback(os.close, kept)
    undo.callback(os.dup2, kept, target)
    os.dup2(source, target)


def _put(owner: Any, name: str, value: object, undo: ExitStack) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _in_main_thread(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``signal.signal`` that changes nothing outside of the main thread, where Python would raise."""

    def set_handler(signalnum: int, handler: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            return real(signalnum, handler)
        return signal.getsignal(signalnum)

    return set_handler


def _only_in_a_fork(real: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    """Return an ``os._exit`` that ends this process as ``sys.exit`` does: something must tell of it."""
    ours = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != ours:
            real(status)
        raise SystemExit(status)

    return leave
