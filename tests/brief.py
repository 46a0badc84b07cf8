"""Whether this run is a brief one, and what share of the tests is its own. Must not know any test.

The gate plays everything on one Python, but for half of what takes longest (``GATE``). On the others each test is run
with each client library too, on one of its event loops; what is left out there is what another loop or another
repetition would show once more. Of a test's parameters each of these Pythons plays some, others each: together half of
many, and all of a few.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar
from zlib import crc32

import pytest

__all__ = ["BRIEF", "FEW", "GATE", "examples", "once", "one_each", "shared"]

_HOW, _, _SHARE = os.environ.get("ANYINT_TESTS", "").partition(":")
BRIEF = _HOW == "brief"
GATE = _HOW == "gate"
"""Whether this is the gate's whole run: of the longest repetitions it plays half."""

FEW = 2
"""So many parameters of a test each Python plays, if there are any more."""

_ONE_EACH = ("httpx-sync", "httpx2-trio", "requests-sync", "aiohttp-asyncio")

once = pytest.mark.skipif(BRIEF, reason="a brief run: this is the same on every Python, and another one plays it")

T = TypeVar("T")


def one_each(surface: Any) -> bool:
    """Whether a surface stands for its client library in a brief run; any does in a whole one."""
    return not BRIEF or str(surface) in _ONE_EACH


def examples(many: int) -> int:
    """Return how many examples hypothesis tries: those of a whole run, or of them a fifth."""
    return max(10, many // 5) if BRIEF else many


def shared(groups: dict[str, Sequence[tuple[str, T]]], share: str = _SHARE) -> list[T]:
    """Return what this Python does not play: of each test's named parameters, where there are more than a few.

    ``share`` is such as ``1/3``, the second of three, which plays a sixth; without one, all is this Python's.
    """
    if not share:
        return []
    mine, of = (int(part) for part in share.split("/"))
    left = []
    for name, items in groups.items():
        keep = max(FEW, -(-len(items) // (2 * of)))
        first = crc32(name.encode()) + mine * keep
        turned = sorted(items, key=lambda item: crc32(item[0].encode()))  # neighbours are often of one client
        left += [it for place, (_, it) in enumerate(turned) if (place - first) % len(items) >= keep]
    return left
