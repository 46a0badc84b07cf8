"""The emulator in the foreground, until Ctrl-C.

Must not know who starts it or where its address is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable

from .desk import Chaos
from .server import Emulator

__all__ = ["serve"]


def serve(host: str, port: int, *, seed: int, chaos_p: float, announce: Callable[[str], object] | None = None) -> None:
    """Run in the foreground until Ctrl-C, on the real clock; ``chaos_p`` is the share of requests that meet a fault.

    ``announce`` is called with the address once it listens. Raises OSError when the address cannot be had and
    ValueError for a bad share.
    """
    chaos = Chaos.usual(chaos_p, seed=seed)
    emulator = Emulator(host=host, port=port, seed=seed, chaos=chaos, virtual_clock=False)

    async def until_interrupted() -> None:
        # Before Python 3.11 Ctrl-C was raised in whatever task was running; a signal handler ends ours alone.
        running = asyncio.current_task()
        with contextlib.suppress(RuntimeError, ValueError):  # Windows has none, other threads may not
            if running is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await emulator.run(lambda: None if announce is None else announce(emulator.url))

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(until_interrupted())
