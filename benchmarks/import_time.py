"""What ``import anyint_resilience`` costs beyond its dependencies' own imports, in fresh interpreters.

Two figures: the sum of our own modules in ``python -X importtime`` (which costs a little itself), and the CPU time of
our import in a fresh interpreter that has imported everything else before. The aim is under 60 ms, without any HTTP
client loaded.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys

ROUNDS = 15
AIM_MS = 60.0
CLIENTS = {"aiohttp", "httpx", "httpx2", "redis", "requests", "urllib3"}
LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$")
# Everything we load from elsewhere is imported first, so that only our own modules are timed.
ALONE = """
import sys, importlib, time
for name in {others!r}:
    importlib.import_module(name)
begun = time.process_time()
import anyint_resilience
print((time.process_time() - begun) * 1000)
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter."""
    # With the bytecode an installed package has: without it the compiler is measured, not the import.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, env=environment)


def importtime() -> dict[str, int]:
    """Own microseconds of each module that the import loads."""
    lines = python("-X", "importtime", "-c", "import anyint_resilience").stderr.splitlines()
    found = (LINE.match(line) for line in lines)
    return {match[4]: int(match[1]) for match in found if match is not None}


def foreign(modules: dict[str, int]) -> list[str]:
    """The modules that are not ours and that a bare interpreter does not have."""
    bare = set(python("-c", "import sys; print(*sys.modules)").stdout.split())
    mine = [name for name in modules if name not in bare and not name.startswith("anyint_resilience")]
    known = python("-c", f"import anyint_resilience, sys; print(*(n for n in {mine!r} if n in sys.modules))")
    return known.stdout.split()


def main() -> int:
    """Print the figures; fail when the aim is missed or a client is loaded."""
    samples = [importtime() for _ in range(ROUNDS)]
    ours = [sum(us for name, us in sample.items() if name.startswith("anyint_resilience")) / 1000 for sample in samples]
    in_all = [sum(sample.values()) / 1000 for sample in samples]
    others = foreign(samples[0])
    alone = [float(python("-c", ALONE.format(others=others)).stdout) for _ in range(ROUNDS)]
    rows = (
        ("our own modules (-X importtime)", ours),
        ("our import, everything else already loaded (CPU)", alone),
        ("all modules, the interpreter's start included", in_all),
    )
    print(f"import anyint_resilience, {ROUNDS} fresh interpreters: median [min, max] in ms")
    for label, values in rows:
        print(f"  {label:<52} {statistics.median(values):6.1f} [{min(values):.1f}, {max(values):.1f}]")
    slowest = sorted(((us, name) for name, us in samples[-1].items() if name.startswith("anyint_")), reverse=True)[:5]
    print("  slowest of ours: " + ", ".join(f"{name} {us / 1000:.1f}" for us, name in slowest))
    loaded = sorted(CLIENTS & {name.split(".")[0] for name in samples[0]})
    print(f"  HTTP clients loaded: {', '.join(loaded) or 'none'}")
    worst = max(statistics.median(ours), statistics.median(alone))
    print(f"  aim: under {AIM_MS:.0f} ms: {'met' if worst < AIM_MS else 'MISSED'}")
    return 1 if loaded or worst >= AIM_MS else 0


if __name__ == "__main__":
    sys.exit(main())
