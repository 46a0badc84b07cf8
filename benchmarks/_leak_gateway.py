"""The gateway of leaks.py: the emulator in a process of its own, so that its sockets and memory are not counted.

Must not know who calls it. The faults of a call come by name in its headers, one for each time the call arrives. The
first line printed is the address; then each line read from stdin is answered with the counts so far, and ``reset``
forgets tasks and requests.

    python _leak_gateway.py
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from _leak_calls import CALL_HEADER, FAULTS, FAULTS_HEADER

from anyint_resilience.emulator import FAULT_HEADER, Emulator, Seen

__all__ = ["Gateway"]


class Gateway(Emulator):
    """An emulator that counts the requests of each plan and takes faults by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: Counter[str] = Counter()
        self._arrived: dict[str, int] = {}
        self._faults = {name: json.dumps(fault.to_json()) for name, fault in FAULTS.items()}

    def receive(self, seen: Seen) -> list[Any]:
        """Count a request, and let it meet the fault that is due."""
        call = seen.headers.get(CALL_HEADER)
        if call is not None:
            self.plans[call.rpartition("-")[0]] += 1
            before = self._arrived.get(call, 0)
            self._arrived[call] = before + 1
            names = seen.headers[FAULTS_HEADER].split(",")
            if before < len(names):
                seen.headers[FAULT_HEADER] = self._faults[names[before]]
        return super().receive(seen)

    def counts(self) -> dict[str, Any]:
        """Return what the benchmark wants to know."""
        errors = [repr(error) for error in self.internal_errors]
        return {"requests": self.plans, "connections": self.connections_open, "errors": errors}

    def reset(self) -> None:
        """Forget, but go on counting."""
        super().reset()
        self._arrived.clear()


def main() -> None:
    """Serve until stdin ends."""
    with Gateway() as gateway:
        print(gateway.url, flush=True)
        for line in sys.stdin:
            if line.strip() == "reset":
                gateway.reset()
            print(json.dumps(gateway.counts()), flush=True)


if __name__ == "__main__":
    main()
