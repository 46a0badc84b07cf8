"""What the user hands over in a file or on stdin, read up to a limit. Must not know what it is."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Final

from .terminal import Problem, clean, tell

__all__ = ["STDIN", "read", "seconds", "whole"]

STDIN: Final = "-"


def read(name: str, limit: int, failed: str) -> bytes:
    """Return at most so many bytes of a file, or of stdin for ``-``; raises a Problem that begins with ``failed``."""
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise ValueError("stdin is closed")
            if sys.stdin.isatty():
                tell("reading from the keyboard; Ctrl-D on a line of its own ends it")
            return sys.stdin.buffer.read(limit)
        with Path(name).open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Problem(f"{failed}: {why}") from None


def whole(text: str, least: int, most: int, what: str) -> int:
    """Return a whole number in a range; raises argparse's ArgumentTypeError, which calls it ``what``."""
    if text.isascii() and text.isdigit() and least <= int(text[:9]) <= most:
        return int(text[:9])
    raise argparse.ArgumentTypeError(f"{what}, not {clean(text)!r}")


def seconds(text: str) -> float:
    """Return a number of seconds above 0; raises argparse's ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is needed, not {text!r}")
    return found
