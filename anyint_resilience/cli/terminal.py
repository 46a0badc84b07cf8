"""The one place that knows colours, widths, JSON and problems: what every command prints with.

Must not know any command. Nothing here needs more than the standard library, but for ``console()``.

    from .terminal import Cell, Problem, mark, need, print_json, say, styled, table

    raise Problem("ANYINT_API_KEY is not set")      # one line on stderr, exit code 2; under --json also on stdout
    need("this command", ["h11"], "'anyint-resilience[emulator]'")     # the same Problem, where a package is missing
    say(styled("all good", "bold green"))           # to stdout; escape codes only where coloured() says so
    tell("looking again in 5 s")                    # to stderr: what is no result
    print_json({"ok": True})                        # the one document of --json
    say(table(["check", "found"], [["key", Cell(f"{mark(True)} set", "green")]]))
    console().print(...)                            # rich, with the same colours and width

``main`` has called ``chosen.use`` before a command runs, from ``--color`` and ``--json``, which every command has. A
command under ``--json`` prints one document with ``print_json`` and nothing else on stdout.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TextIO

from .chosen import color, hiding, is_json, out
from .masking import clean
from .tables import Cell, lay_out

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "COLOURS",
    "Cell",
    "Problem",
    "clean",
    "coloured",
    "console",
    "fold",
    "lively",
    "mark",
    "need",
    "plain",
    "print_json",
    "say",
    "shortened",
    "steady",
    "styled",
    "table",
    "tell",
    "tell_problem",
    "width",
]

COLOURS: Final = ("auto", "always", "never")
"""What ``--color`` takes."""

_UNKNOWN: Final = 100  # columns, where no terminal says how many
_NARROWEST, _WIDEST = 40, 120  # wider lines are hard to read
_CODES: Final = {
    "bold": "1", "dim": "2", "italic": "3", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36",
}  # fmt: skip
_ASCII: Final = {"✔": "+", "✘": "x", "·": "-", "─": "-", "—": "-", "→": "->", "…": "...", "•": "*", "⚠": "!"}
_HANDLER: Final = "anyint-resilience-ascii"
_print: Final = print  # whatever a module of the user's makes of the name


class Problem(Exception):
    """Something the user can put right, in one line. ``main`` prints it and exits with 2."""


def steady() -> None:
    """Let stdout and stderr print anything: what their encoding lacks becomes ASCII like it, or a question mark."""
    codecs.register_error(_HANDLER, _likeness)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def _likeness(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(it, "?") for it in error.object[error.start : error.end]), error.end


# --- what the terminal can do


def coloured(stream: TextIO | None = None) -> bool:
    """Whether a stream (default: stdout) gets escape codes.

    ``--color always|never`` decides; without it ``NO_COLOR``, then ``FORCE_COLOR`` (each if not empty), then whether it
    is a terminal, other than a ``TERM=dumb`` one.
    """
    stream = out() if stream is None else stream
    if color() != "auto":
        return color() == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb"


def plain(stream: TextIO | None = None) -> bool:
    """Whether a stream (default: stdout) is no terminal: a pipe or a file, where each row is to be one line."""
    return not _is_terminal(out() if stream is None else stream)


def lively(stream: TextIO | None = None) -> bool:
    """Whether something may move on a stream (default: stderr): a terminal with escape codes."""
    stream = sys.stderr if stream is None else stream
    return coloured(stream) and _is_terminal(stream)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()  # None: Python was started without it
    except ValueError:  # closed
        return False


def width(stream: TextIO | None = None) -> int:
    """Columns to fill on a stream (default: stdout): ``COLUMNS``, else the terminal's, else 100; 40 to 120."""
    columns = os.environ.get("COLUMNS", "")
    known = int(columns[:6]) if columns.isascii() and columns.isdigit() else 0
    if not known:
        known = _UNKNOWN if plain(stream) else shutil.get_terminal_size((80, 24)).columns
    return max(_NARROWEST, min(known, _WIDEST))


# --- how things look


def styled(text: str, style: str = "", *, stream: TextIO | None = None) -> str:
    """Return the text in a style such as ``bold red``, where the stream (default: stdout) is coloured, else as it is.

    Words: bold, dim, italic, red, green, yellow, magenta, cyan.
    """
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text and coloured(stream) else text


def mark(good: bool | None) -> str:
    """Return a tick, a cross, or a dot for None (not looked at), in what stdout can print."""
    sign = "·" if good is None else "✔" if good else "✘"
    try:
        sign.encode(getattr(out(), "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return _ASCII[sign]
    return sign


def fold(text: str, *, indent: int = 0, first: str | None = None) -> str:
    """Wrap a paragraph to ``width()`` with a hanging indent; ``first`` stands before its first line."""
    head = " " * indent if first is None else first
    return textwrap.fill(
        text,
        width=width(),
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def table(
    heads: Iterable[str], rows: Iterable[Iterable[str | Cell]], *, right: Iterable[int] = (), indent: int = 0
) -> str:
    """Return aligned columns without borders, ready for ``say``.

    On a terminal cells are wrapped to ``width()``; elsewhere each row is one line, however long, so that ``grep`` and
    ``awk`` see it whole. ``right``: numbers of columns that are aligned to the right. A ``Cell`` has a style.
    """
    most = None if plain() and not os.environ.get("COLUMNS") else width() - indent
    body = [[it if isinstance(it, Cell) else Cell(it) for it in row] for row in rows]
    top = [[Cell(head, "dim") for head in heads]]
    lines = lay_out([*(top if any(it.text for it in top[0]) else []), *body], most, frozenset(right), styled)
    return "\n".join(" " * indent + line for line in lines)


def shortened(word: object, most: int = 40) -> str:
    """Return how a word of the user's looks in an error: one line, without any key, and not too long."""
    return repr(hiding().foreign(word, most))


def console(*, stderr: bool = False) -> Console:
    """Return a rich console on the present stdout (or stderr), with our colours and width. Needs rich."""
    from rich.console import Console

    stream = sys.stderr if stderr else out()
    colours = coloured(stream)
    return Console(
        file=stream,
        width=width(stream),
        force_terminal=colours,
        no_color=not colours,
        color_system="standard" if colours else None,
        highlight=False,
        soft_wrap=False,
    )


# --- what is printed


def say(text: str = "") -> None:
    """Print to stdout: a result. Raises Problem where it cannot be written, BrokenPipeError where nobody reads it."""
    stream = out()
    if stream is None:  # closed: what prints without one takes sys.stdout, which may be lent
        return
    try:
        _print(text, file=stream, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        raise Problem(f"cannot write: {error.strerror or error}") from None


def tell(*lines: str) -> None:
    """Print to stderr, a line each: what is no result."""
    if sys.stderr is None:  # closed: print would take stdout for it
        return
    mask = hiding()
    for line in lines:
        _print(mask.said(line), file=sys.stderr, flush=True)


def print_json(document: Any, *, one_line: bool = False) -> None:
    """Print the one JSON document of a command to stdout, in ASCII. Numbers that JSON has not become null."""
    indent = None if one_line else 2
    try:
        text = json.dumps(document, indent=indent, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), indent=indent, allow_nan=False)
    say(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tell_problem(who: str, problem: str, code: int) -> None:
    """Print a problem as one line on stderr, ``WHO: PROBLEM``; under ``--json`` also as the one document on stdout."""
    line = hiding().said(clean(problem))
    if is_json():
        with contextlib.suppress(Problem):  # stdout may be what the problem is about
            print_json({"error": line, "exit_code": code})
    tell(f"{who}: {line}")


def need(what: str, packages: Iterable[str], install: str) -> None:
    """Raise a Problem that names the missing packages and how to install them."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise Problem(f"{what} needs {' and '.join(missing)}: install {install}")
