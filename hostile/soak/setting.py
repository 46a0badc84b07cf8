"""What a process of the soak is told, and the one ``Resilience`` it makes of it; must not know what is called.

It travels in an environment variable, as gunicorn, uvicorn and celery hand on nothing else.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyint_resilience import Fallback, Policy, Resilience

__all__ = ["BROWN", "CHAT", "PDEATHSIG", "SLOT", "VARIABLE", "WINDOW", "Setting", "dies_with_parent", "no_core"]

PDEATHSIG = 1  # of Linux: which signal a process gets when its parent ends

VARIABLE = "SOAK_SETTING"
CHAT = "/openai/v1/chat/completions"
BROWN = "gpt-5-brown"
"""The model that fails for some seconds of each minute, and has a fallback."""
WINDOW = 40.0
"""Seconds for which the ledger remembers: short, so that what it holds has come to rest soon after the start."""
SLOT = 3.0
"""Seconds in which all processes on one store make one and the same create."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where the gateway and the store are, where to write, and how often to call.

    ``store_name`` tells the stores apart in the names of shared creates; ``period`` is the seconds from one call of a
    user to the next, ``every`` those from one sample to the next; ``plant`` is a leak to be planted, or nothing.
    """

    label: str
    url: str
    store: str | None
    store_name: str
    folder: str
    seed: int
    period: float
    every: float
    plant: str = ""

    @classmethod
    def from_env(cls) -> Setting:
        """Read the one this process was started with."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def env(self) -> dict[str, str]:
        """Return the environment of a process that is to have this one."""
        told = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        return {**told, VARIABLE: json.dumps(asdict(self)), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}

    def path(self, name: str) -> Path:
        """Return a file of the run."""
        return Path(self.folder) / name

    def place(self, user: str = "") -> str:
        """Return a name for this process, or for a user in it, that no other has: numbers of processes come again."""
        return f"{self.label}:{os.getpid()}@{time.monotonic():.3f}:{user}"

    def resilience(self, **more: Any) -> Resilience:
        """Make the configuration of a process: guards shared, creates never sent that can't be written down."""
        given: dict[str, Any] = {
            "api_key": "soak-key",
            "base_url": self.url,
            "store": self.store,
            "store_wait": 2.0,  # the machine is shared: a short stall is no outage
            "unknown_window": WINDOW,
            "strict_ledger": True,
            "policy": Policy(attempts=3, retry_window=10.0, rate_base=0.2, max_delay=1.0),
            "fallbacks": [Fallback(workload="soak", route=CHAT, model=BROWN, to="gpt-5-mini")],
        }
        return Resilience(**{**given, **more})


def no_core() -> None:
    """Let a crash leave a line in the log and no dump of memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def dies_with_parent() -> None:
    """Have this process killed when the one that started it ends, whatever ends that (Linux)."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
