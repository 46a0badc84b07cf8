"""The gateway of crash.py: the emulator in a process of its own, with its own log of what it saw and what it made.

Must not know the ledger, nor who calls it. A create's prompt names its run, its serial number and the fault that its
first arrivals meet. A create may also name the process that is to be killed when it arrives, before the work is done or
after. ``GET /crash/RUN`` answers what came of the creates of one run. The first line printed is the address.

    python _crash_gateway.py
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import defaultdict
from typing import Any, NamedTuple

from anyint_resilience.emulator import FAULT_HEADER, Emulator, Fault, Seen
from anyint_resilience.emulator.messages import json_answer
from anyint_resilience.emulator.wire import steps_for

__all__ = ["FAULTS", "KILL_HEADER", "LATER_HEADER", "Plight", "prompt_of"]

KILL_HEADER = "x-crash-kill"
"""On a create, ``before PID`` or ``after PID``: kill that process before the work is done, or after."""
LATER_HEADER = "x-crash-later"
"""On a create: it is made after the restart, meets no fault, and is counted apart."""

_PAGE = "<html><h1>502 Bad Gateway</h1></html>"  # a proxy's, which knows nothing
_QUERY_SECONDS = 4.0  # of the tasks' clock pass with each query
_PROMPT = re.compile(rb"create:([\w-]+):(\d+):([\w-]+):")


class Plight(NamedTuple):
    """A fault, how many arrivals of one create meet it, and whether it leaves the outcome open."""

    fault: Fault | None
    times: int
    open: bool = False


FAULTS: dict[str, Plight] = {
    "good": Plight(None, 0),
    "429-once": Plight(Fault(status=429), 1),
    "429-always": Plight(Fault(status=429), 99),
    "503-once": Plight(Fault(status=503), 1),
    "503-always": Plight(Fault(status=503), 99),
    "502-made": Plight(Fault(status=502, body=_PAGE, process=True), 99, open=True),
    "502": Plight(Fault(status=502, body=_PAGE), 99, open=True),
    "reset-made": Plight(Fault(reset="before_headers", process=True), 99, open=True),
    "reset": Plight(Fault(reset="before_headers"), 99, open=True),
    "mid-body": Plight(Fault(reset="mid_body", process=True), 99, open=True),
    "stall": Plight(Fault(stall="before_headers", process=True), 99, open=True),
}
"""By name, as a prompt names it."""


def prompt_of(run: str, serial: int, fault: str) -> str:
    """Return the prompt of one create: it stands in the body, and stays on the task."""
    return f"create:{run}:{serial}:{fault}:"


class Gateway(Emulator):
    """An emulator that keeps a log by run and serial number, and kills where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._came: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._known = 0

    def receive(self, seen: Seen) -> list[Any]:
        """Take a request, with what is due to it."""
        if seen.path.startswith("/crash/"):
            return steps_for(json_answer(self._log(seen.path.rpartition("/")[2])), None)
        if seen.method == "GET":
            self.clock.advance(_QUERY_SECONDS)
        found = _PROMPT.search(seen.body) if seen.complete else None
        if found is None:
            return super().receive(seen)
        run, serial, name = (it.decode() for it in found.groups())
        entry = self._came[run].setdefault(serial, {"arrivals": 0, "later": 0, "made": [], "made_later": []})
        later = LATER_HEADER in seen.headers
        entry["later" if later else "arrivals"] += 1
        plight = FAULTS[name]
        if plight.fault is not None and not later and entry["arrivals"] <= plight.times:
            seen.headers[FAULT_HEADER] = json.dumps(plight.fault.to_json())
        when, _, victim = seen.headers.get(KILL_HEADER, "").partition(" ")
        if when == "before":
            os.kill(int(victim), signal.SIGKILL)
            return []
        steps = super().receive(seen)
        tasks = self.tasks
        entry["made_later" if later else "made"] += [task.id for task in tasks[self._known :]]
        self._known = len(tasks)
        if when == "after":
            os.kill(int(victim), signal.SIGKILL)
        return steps

    def _log(self, run: str) -> dict[str, Any]:
        done = {task.id for task in self.tasks if task.done} if self._came[run] else set()
        return {
            "creates": self._came[run],
            "done": sorted(done & {it for entry in self._came[run].values() for it in entry["made"]}),
            "errors": [repr(error) for error in self.internal_errors],
        }


def main() -> None:
    """Serve until stdin ends."""
    gateway = Gateway()
    with gateway:
        print(json.dumps(gateway.url), flush=True)
        for _ in sys.stdin:
            pass


if __name__ == "__main__":
    main()
