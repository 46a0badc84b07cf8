"""Whether this run is a brief one. Must not know any test.

The gate plays everything on one Python. On the others each test is run with each client library too, on one of its
event loops; what is left out there is what another loop or another repetition would show once more.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["BRIEF", "one_each"]

BRIEF = os.environ.get("ANYINT_TESTS") == "brief"

_ONE_EACH = ("httpx-sync", "httpx2-trio", "requests-sync", "aiohttp-asyncio")


def one_each(surface: Any) -> bool:
    """Whether a surface stands for its client library in a brief run; any does in a whole one."""
    return not BRIEF or str(surface) in _ONE_EACH
