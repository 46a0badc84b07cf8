"""What a page says a program prints, held against what it printed.

Must not know how a program is run. Ids, ports and numbers with a point (times) differ from run to run, so that those
stand for each other, ``...`` stands for anything, and lines may be broken elsewhere; words and whole numbers, such as
how many requests there were, may not differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from .blocks import Block, Page, Program, named

__all__ = ["expected", "unlike"]

_VARYING = (
    (re.compile(r"\b(req|video|task|batch|resp)_[0-9a-f.]+"), r"\1_0"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), r"\1:0"),
    (re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])"), "0.0"),
)
_ANYTHING = re.compile(r"(\.\.\.|…)")


def expected(page: Page) -> dict[Program, Block]:
    """Return the programs of a page whose output stands in a ``text`` block right after their last one."""
    programs = {program.blocks[-1]: program for program in page.programs()}
    found: dict[Program, Block] = {}
    for block, following in pairwise(page.blocks):
        if block in programs and following.language == "text" and following.mark != "skip" and following.directly:
            found[programs[block]] = following
    return found


def unlike(block: Block, output: str) -> Iterator[str]:
    """Say which line of a block the program did not print."""
    printed, at, compared = " ".join(_plain(output).split()), 0, False
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        pattern = _pattern(line)
        if not pattern:
            continue
        compared = True
        found = re.compile(pattern).search(printed, at)
        if found is None:
            where = f"{named(block.path)}:{number}"
            yield f"{where}: the program above does not print this (or not here): {line.strip()}"
            return
        at = found.end()
    if not compared:
        yield f"{block.where}: it says nothing of what the program above prints"


def _plain(text: str) -> str:
    for pattern, same in _VARYING:
        text = pattern.sub(same, text)
    return text


def _pattern(line: str) -> str:
    """What finds a line's words, whole ones, in what was printed; nothing where it has none."""
    parts = _ANYTHING.split(" ".join(_plain(line).split()))
    if not any(part.strip() for part in parts[::2]):
        return ""
    found = ".*?".join(re.escape(part.strip()) for part in parts[::2])
    return ("" if not parts[0] else r"(?<!\S)") + found + ("" if not parts[-1] else r"(?!\S)")
