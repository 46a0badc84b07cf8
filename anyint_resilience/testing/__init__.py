"""What the pytest plugin's fixtures are: for type annotations in tests, ``anyint_clock: VirtualClock``.

Must not be imported by anything but tests. The plugin itself is ``anyint_resilience_pytest``, which loads this late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clock import NoSleep, VirtualClock

if TYPE_CHECKING:
    from .gateway import Gateway

__all__ = ["Gateway", "NoSleep", "VirtualClock"]


def __getattr__(name: str) -> Any:
    if name == "Gateway":  # late: without a gateway nobody needs the emulator, nor h11
        from .gateway import Gateway

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
