"""What a page says a program prints, held against what it printed.

Must not know how a program is run. Times, ids and numbers differ from run to run, so that digits stand for each other,
``...`` for anything, and lines may be broken elsewhere; words may not differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from .blocks import Block, Page, Program, named

__all__ = ["expected", "unlike"]

_ID = re.compile(r"\b(req|video|task|batch|resp)_[0-9a-f.]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WIDE = re.compile(r"\s+")
_SKIPPED = "⁂"


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
    printed = _plain(output)
    at = 0
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        parts = [it for it in _plain(line).split(_SKIPPED) if it.strip()]
        for part in parts:
            found = printed.find(part.strip(), at)
            if found < 0:
                where = f"{named(block.path)}:{number}"
                yield f"{where}: the program above does not print this (or not here): {line.strip()}"
                return
            at = found + len(part.strip())


def _plain(text: str) -> str:
    text = _ID.sub(r"\1_0", text).replace("...", _SKIPPED).replace("…", _SKIPPED)
    return _WIDE.sub(" ", _NUMBER.sub("0", text))
