"""What every command needs of the terminal: a console, one-line problems, and optional packages.

Must not know any command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Problem", "console", "need"]

_NARROW: Final = 100  # what the layouts are made for where no terminal says how wide it is
_WIDE: Final = 120  # wider lines are hard to read


class Problem(Exception):
    """Something the user can put right, in one line."""


def need(what: str, packages: Iterable[str], install: str) -> None:
    """Raise a Problem that names the missing packages and how to install them."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise Problem(f"{what} needs {' and '.join(missing)}: install {install}")


def console() -> Console:
    """Return a console on the present stdout, 100 to 120 columns wide unless the terminal is narrower."""
    from rich.console import Console

    made = Console(highlight=False, soft_wrap=False)
    made.width = min(made.width, _WIDE) if sys.stdout.isatty() else _NARROW
    return made
