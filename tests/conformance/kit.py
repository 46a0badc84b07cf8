"""What the tests of this folder ask for, and how they open a client on the emulator.

Must not know any scenario.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from tests.alone import ALONE
from tests.conformance.surfaces import Caller, Surface, Waits, calling

__all__ = ["ASK", "CHAT", "FILM", "KEY", "MODELS", "VIDEOS", "client", "configured"]

KEY = "test-key"
CHAT, VIDEOS, MODELS = "/openai/v1/chat/completions", "/openai/v1/videos", "/openai/v1/models"
ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
FILM = {"model": "kling-3.0", "prompt": "a fox"}


def configured(emu: Emulator, **more: Any) -> Resilience:
    """Return a configuration for the emulator whose waits take no time."""
    return Resilience(**{"api_key": KEY, "base_url": emu.url, "runtime": Waits().runtime(), "guards": ALONE, **more})


@contextlib.contextmanager
def client(surface: Surface, emu: Emulator, anyint: Resilience | None = None, **options: Any) -> Iterator[Caller]:
    """Open a client whose base URL is the emulator's."""
    with calling(surface, configured(emu) if anyint is None else anyint, base_url=emu.url, **options) as caller:
        yield caller
