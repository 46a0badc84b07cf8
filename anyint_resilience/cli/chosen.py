"""What holds for this run of ``main``: what its options said of output, where results go, what must never be shown.

Must not know any command, nor print anything.

    from .chosen import hide, results_to

    hide(key)               # from now on it stands in nothing that is printed
    results_to(stream)      # sys.stdout is lent to somebody else
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from .masking import Mask

__all__ = ["color", "done", "hide", "hiding", "is_json", "is_program", "out", "results_to", "use"]


class _Chosen:
    """What the options said, for this run of ``main``."""

    color = "auto"
    json = False
    program = False
    results: TextIO | None = None
    secrets: tuple[str, ...] = ()


def use(*, color: str = "auto", json: bool = False, program: bool = False) -> None:
    """Take what ``--color`` and ``--json`` say, for all that is printed from now on.

    ``program``: the process is this tool's alone, and ends with it.
    """
    _Chosen.color, _Chosen.json, _Chosen.program = color, json, program
    _Chosen.results, _Chosen.secrets = None, ()


def color() -> str:
    """Return what ``--color`` said: auto, always or never."""
    return _Chosen.color


def is_json() -> bool:
    """Whether there is ``--json``."""
    return _Chosen.json


def is_program() -> bool:
    """Whether the process is this tool's alone, and ends with it."""
    return _Chosen.program


def results_to(stream: TextIO | None) -> None:
    """Print results to this stream; None: to sys.stdout again."""
    _Chosen.results = stream


def done() -> None:
    """Close where results went, if that was none of Python's own streams."""
    if _Chosen.results is not None and _Chosen.program:
        with contextlib.suppress(OSError):
            _Chosen.results.close()


def out() -> TextIO | None:
    """Return where results go. None: Python was started without it."""
    found: TextIO | None = sys.stdout  # typed as if it were always there
    return found if _Chosen.results is None else _Chosen.results


def hide(*secrets: object) -> None:
    """Let these stand in nothing that is printed from now on."""
    _Chosen.secrets += tuple(it for it in secrets if isinstance(it, str))


def hiding() -> Mask:
    """Return what hides all secrets that are known by now."""
    mask = Mask.of(os.environ)
    for secret in _Chosen.secrets:
        mask.add(secret)
    return mask
