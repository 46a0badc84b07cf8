"""The gateway of the soak: the emulator in a process of its own, with faults drawn for each call; knows no caller.

Which fault a request meets is drawn from the seed, the call's name and how often it has come, so that it is the same in
whatever order calls arrive. The clock of tasks is the real one. The first line printed is the address; then each line
on stdin is answered by one of JSON: ``counts``, or ``log`` with all that was noted.

    python -m hostile.soak.gateway SEED
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter, OrderedDict
from typing import Any, Final

from anyint_resilience.emulator import FAULT_HEADER, Emulator, Fault, Seen

from .jobs import CALL_HEADER
from .setting import BROWN

__all__ = ["FAULTS", "Gateway", "fault_of"]

LARGE: Final = "<html>" + "x" * 200_000
FAULTS: Final[dict[str, tuple[float, Fault]]] = {
    "429": (0.004, Fault.error(429, retry_after=1)),
    "503": (0.012, Fault(status=503)),
    "500": (0.003, Fault(status=500)),
    "502": (0.003, Fault(status=502)),
    "large": (0.002, Fault(status=503, body=LARGE)),
    "cut": (0.003, Fault(status=503, body="x" * 2000, truncate=1000)),
    "reset": (0.008, Fault(reset="before_headers")),
    "lost": (0.008, Fault(reset="before_headers", process=True)),
    "half": (0.003, Fault(half_close=True)),
    "garbage": (0.002, Fault(garbage="not_http")),
    "mid": (0.005, Fault(reset="mid_body")),
    "short": (0.004, Fault(truncate=10)),
    "stream cut": (0.006, Fault(cut_stream_after=2)),
    "stream error": (0.004, Fault(error_event=True)),
    "slow": (0.02, Fault(delay_headers=0.2)),
    "slow body": (0.01, Fault(delay_body=0.1)),
}
"""Name: share of the requests that meet it, and what it is."""
HARMLESS: Final = frozenset({"slow", "slow body"})
BROWNOUT: Final = (40.0, 8.0, 0.8)
"""Of so many seconds the model that fails does for so many, and then this share of its requests."""
_KEPT: Final = 20_000
_HEADERS: Final = {name: json.dumps(fault.to_json()) for name, (_, fault) in FAULTS.items()}


def fault_of(seed: int, call: str, came: int) -> str:
    """Draw the fault of a request that comes for the so-many-th time; empty for none."""
    drawn = random.Random(f"{seed} {call} {came}").random()
    for name, (share, _) in FAULTS.items():
        drawn -= share
        if drawn < 0:
            return name
    return ""


class Gateway(Emulator):
    """An emulator that draws faults, and notes which calls met one and what became of each create it saw."""

    def __init__(self, seed: int) -> None:
        super().__init__(virtual_clock=False)
        self._seed = seed
        self._came: OrderedDict[str, int] = OrderedDict()
        self.met: Counter[str] = Counter()
        self.count = 0
        self.harmed: set[str] = set()
        self.sends: dict[str, list[str]] = {}

    def receive(self, seen: Seen) -> list[Any]:
        """Draw what a request meets, and note it."""
        call = seen.headers.get(CALL_HEADER, f"{seen.method} {seen.path}")
        came = self._came.pop(call, 0) + 1
        self._came[call] = came
        if len(self._came) > _KEPT:
            self._came.popitem(last=False)
        self.count += 1
        drawn = "503" if self._browned(seen) else fault_of(self._seed, call, came)
        if drawn:
            seen.headers[FAULT_HEADER] = _HEADERS[drawn]
            self.met[drawn] += 1
            if drawn not in HARMLESS:
                self.harmed.add(call)
        what = _create_of(seen)
        if what:
            self.sends.setdefault(what, []).append("" if drawn in HARMLESS else drawn)
        return super().receive(seen)

    def _browned(self, seen: Seen) -> bool:
        length, lasts, share = BROWNOUT
        if time.monotonic() % length >= lasts or BROWN.encode() not in seen.body:
            return False
        return random.random() < share

    def counts(self) -> dict[str, Any]:
        """Return how much there is of everything."""
        return {"requests": self.count, "faults": sum(self.met.values()), "connections": self.connections_open}

    def log(self) -> dict[str, Any]:
        """Return all that was noted; ``made`` is how many tasks there are of each create."""
        return {
            **self.counts(),
            "met": dict(self.met.most_common()),
            "harmed": sorted(self.harmed),
            "sends": self.sends,
            "made": Counter(str(task.body.get("prompt")) for task in self.tasks),
            "errors": [repr(error) for error in self.internal_errors],
        }


def _create_of(seen: Seen) -> str:
    """Return the name of the create that a request is; empty for any other."""
    if seen.method != "POST" or b'"prompt"' not in seen.body:
        return ""
    try:
        return str(seen.json().get("prompt", ""))
    except (ValueError, AttributeError):
        return ""


def main() -> None:
    """Serve until stdin ends."""
    with Gateway(int(sys.argv[1])) as gateway:
        print(json.dumps(gateway.url), flush=True)
        for line in sys.stdin:
            told = gateway.log() if line.strip() == "log" else gateway.counts()
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
