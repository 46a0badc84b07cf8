"""Waiting for what another thread does, above all the gateway's. Must not know what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyint_resilience.emulator import Emulator

__all__ = ["arrived", "until"]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so; fails when it is not after a time that no machine needs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)


def arrived(emu: Emulator, requests: int) -> bool:
    """Wait for so many requests, which a client that gave up may have sent a moment ago; tell whether it is no more."""
    until(lambda: len(emu.seen) >= requests)
    return len(emu.seen) == requests
