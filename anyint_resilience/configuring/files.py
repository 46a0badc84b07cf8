"""The configuration file: where it is looked for, and what stands in it. Must not know any setting.

TOML (https://toml.io): ``anyint-resilience.toml``, or the table ``tool.anyint-resilience`` of a ``pyproject.toml``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["FILE", "FileProblem", "find", "parsed", "read"]

FILE: Final = "anyint-resilience.toml"
_PROJECT: Final = "pyproject.toml"
_TABLE: Final = "anyint-resilience"
_BYTES: Final = 1024 * 1024
_DOTS: Final = 16
"""In one key: what one of many parts takes to be read grows with the square of them, and with those of its table."""
_OPENS: Final = re.compile(r'"""|\'\'\'|["\'#]')
_CLOSES: Final = {
    '"""': re.compile(r'\\.|"{3,5}', re.DOTALL),
    "'''": re.compile(r"'{3,5}"),
    '"': re.compile(r'\\.|["\n]'),
    "'": re.compile(r"['\n]"),
    "#": re.compile(r"\n"),
}
_DOTTED: Final = re.compile(r"[\w\-. \t]+", re.ASCII)


class FileProblem(ValueError):
    """A file that can't be read, in one line."""


def find(start: Path) -> Path | None:
    """Return the nearest file from a folder up to the root of its project, None if there is none.

    The root is the folder with a ``pyproject.toml`` or a ``.git``. Outside of a project only the folder itself counts:
    above it others may write, and a file says which hosts may see the key. In one folder our own name wins.
    """
    folders = [start, *start.parents]
    root = next((at for at, folder in enumerate(folders) if _is_root(folder)), 0)
    for folder in folders[: root + 1]:
        own, project = folder / FILE, folder / _PROJECT
        if own.is_file():
            return own
        if project.is_file() and _speaks_of_us(project):
            return project
    return None


def _is_root(folder: Path) -> bool:
    return (folder / _PROJECT).is_file() or (folder / ".git").exists()


def read(path: Path) -> dict[str, Any]:
    """Return what a file sets.

    Raises:
        FileProblem: if it can't be read, is no TOML, or a ``pyproject.toml`` without our table.
    """
    return parsed(_text(path), name=str(path), project=path.name == _PROJECT)


def parsed(text: str, *, name: str, project: bool) -> dict[str, Any]:
    """Return what a text in TOML sets; of a ``project`` only our table counts. Raises FileProblem."""
    document = _loaded(text, name)
    if not project:
        return document
    tool = document.get("tool")
    table = tool.get(_TABLE) if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        near = _misspelt(tool)
        raise FileProblem(f"{name} has no table [tool.{_TABLE}]" + (f", but [tool.{near}]" if near else ""))
    return table


def _loaded(text: str, name: str) -> dict[str, Any]:
    bare = _bare(text)
    for it in _DOTTED.finditer(bare):
        if it[0].count(".") > _DOTS:
            line = bare.count("\n", 0, it.start()) + 1
            raise FileProblem(f"line {line} of {name} has a key of more than {_DOTS} dots: take it out")
    if sys.version_info >= (3, 11):  # late: without a file nobody needs it
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # of too many brackets
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise FileProblem(f"{name} is no TOML: {why}") from None
    return document


def _bare(text: str) -> str:
    """Return a text in TOML with a letter for each string and no comments: a dot in it is a key's or a number's.

    Read as TOML is, up to the first fault: what comes after that is read by nobody.
    """
    pieces: list[str] = []
    at = 0
    while (opened := _OPENS.search(text, at)) is not None:
        pieces.append(text[at : opened.start()])
        at = _closed(text, opened.end(), _CLOSES[opened[0]])
        pieces.append("" if opened[0] == "#" else "s")
        pieces.append("\n" * text.count("\n", opened.end(), at))
    return "".join((*pieces, text[at:]))


def _closed(text: str, at: int, closes: re.Pattern[str]) -> int:
    """Return where a string or a comment ends that begins here; a line's end is not a part of it."""
    while (found := closes.search(text, at)) is not None:
        if found[0] == "\n":
            return found.start()
        at = found.end()
        if found[0][0] != "\\":
            return at
    return len(text)


def _misspelt(tool: object) -> str | None:
    """Return the table that was meant to be ours."""
    names = tool if isinstance(tool, dict) else {}
    return next((it for it in names if it.lower().replace("_", "-") == _TABLE), None)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES + 1)
        if len(raw) > _BYTES:
            raise FileProblem(f"{path} is larger than 1 MiB: no configuration is")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileProblem(f"{path} is no TOML: it is not UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte in it
        if isinstance(error, FileProblem):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileProblem(f"{path} can't be read: {why}") from None


def _speaks_of_us(project: Path) -> bool:
    """Whether a project's file has our table, or means to: what is wrong with it is to be told, not passed over."""
    try:
        text = _text(project)
    except FileProblem:
        return False
    try:
        tool = _loaded(text, str(project)).get("tool")
    except FileProblem:
        return f"tool.{_TABLE}" in text.lower().replace("_", "-")
    return isinstance(tool, dict) and (_TABLE in tool or _misspelt(tool) is not None)
