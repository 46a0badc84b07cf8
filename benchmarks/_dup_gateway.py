"""The gateway of duplicates.py: the emulator in a process of its own; it does the work of each create, then fails it.

Must not know who calls it. Four requests in five meet a fault *after* their task was made. Which one is drawn from the
create's serial number and from how often that create has come, so that every side meets the same faults in whatever
order its calls arrive. The first line printed is the address, as JSON; then a line on stdin is answered by one:
``reset`` forgets tasks and requests, ``counts NAME`` tells what came of the creates of one side.

    python _dup_gateway.py
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter, defaultdict
from typing import Any

from anyint_resilience.emulator import FAULT_HEADER, Emulator, Fault, Seen

__all__ = ["FAULTS", "Gateway", "prompt_of"]

SEED = 20_260_101
FAULTS: tuple[tuple[float, Fault | None], ...] = (
    (0.2, Fault(reset="before_headers", process=True)),
    (0.2, Fault(status=502, process=True)),
    (0.2, Fault(stall="before_headers", process=True)),
    (0.1, Fault(reset="mid_body", process=True)),
    (0.1, Fault(truncate=40, process=True)),
    (0.2, None),
)
"""Share of the requests, and what happens to them once the task is made."""

_PROMPT = re.compile(r"create:([\w-]+):(\d+):")
_PROMPT_BYTES = re.compile(_PROMPT.pattern.encode())


def prompt_of(name: str, serial: int) -> str:
    """Return the prompt of one create: it goes into the body, JSON or form, and stays on the task."""
    return f"create:{name}:{serial}:"


class Gateway(Emulator):
    """An emulator that draws the fault of each create, and counts by side and serial number."""

    def __init__(self) -> None:
        super().__init__()
        self._came: Counter[tuple[str, int]] = Counter()
        self._shares = [share for share, _ in FAULTS]
        self._faults = [None if fault is None else json.dumps(fault.to_json()) for _, fault in FAULTS]

    def receive(self, seen: Seen) -> list[Any]:
        """Count a create, and let it meet the fault that is due."""
        found = _PROMPT_BYTES.search(seen.body) if seen.complete else None
        if found is not None:
            name, serial = found[1].decode(), int(found[2])
            self._came[name, serial] += 1
            chance = random.Random(f"{SEED} {serial} {self._came[name, serial]}")
            (fault,) = chance.choices(self._faults, self._shares)
            if fault is not None:
                seen.headers[FAULT_HEADER] = fault
        return super().receive(seen)

    def counts(self, name: str) -> dict[str, Any]:
        """Return the requests of a side, and its tasks' ids by serial number."""
        tasks: defaultdict[str, list[str]] = defaultdict(list)
        for task in self.tasks:
            found = _PROMPT.search(str(task.body.get("prompt")))
            if found is not None and found[1] == name:
                tasks[found[2]].append(task.id)
        requests = sum(times for (side, _), times in self._came.copy().items() if side == name)
        return {"requests": requests, "tasks": tasks, "errors": [repr(error) for error in self.internal_errors]}

    def reset(self) -> None:
        """Forget tasks and requests."""
        super().reset()
        self._came.clear()


def main() -> None:
    """Serve until stdin ends."""
    gateway = Gateway()
    with gateway:
        print(json.dumps(gateway.url), flush=True)
        for line in sys.stdin:
            word, _, name = line.strip().partition(" ")
            if word == "reset":
                gateway.reset()
            print(json.dumps(gateway.counts(name) if word == "counts" else None), flush=True)


if __name__ == "__main__":
    main()
