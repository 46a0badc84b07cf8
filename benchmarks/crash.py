"""Killed with -9 at every step of a create and of a wait: what the ledger knows after the restart, and what is paid.

A process makes five creates, of five families, with a store in a file; the gateway fails some of them, before or after
the work is done; around each stands a retry layer of three attempts. Then it waits for the tasks. It dies by SIGKILL:
before or after an effect of the engine or of a wait, at an SQL statement, while the gateway has its request, or at any
time, from outside. Another process opens the file, tells what is known of each create, repeats every one, waits for
every task, and makes each anew with a fresh key. All of it is held against the gateway's own log. The command exits
non-zero when a create was lost or done twice, or when its fate is another one than the gateway's log says. It forks, so
it needs Linux or macOS.

    python benchmarks/crash.py [--runs N] [--seed N] [--only NUMBER] [--brief] [--write-readme]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _crash_report import counts, draw, problems, table, totals
from _crash_run import KILLS, kinds, loaded, run_one
from _crash_worker import CLIENTS, LAYERS
from _report import write_readme

HERE = Path(__file__).resolve().parent
PACKAGES = ("httpx", "httpx2", "requests", "urllib3", "aiohttp")


@contextmanager
def gateway() -> Iterator[str]:
    """Run the gateway in a process of its own; yields its address."""
    words = [sys.executable, str(HERE / "_crash_gateway.py")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin: Any = process.stdin
        stdout: Any = process.stdout
        try:
            yield json.loads(stdout.readline())
        finally:
            stdin.close()


def preload(seed: int, url: str) -> None:
    """Import what the runs will, once, before anything is forked."""
    for number in range(len(CLIENTS)):
        for name in loaded(seed, number, url):
            with suppress(ImportError):
                importlib.import_module(name)


def measure(numbers: list[int], seed: int, url: str, kills: tuple[str, ...]) -> list[dict[str, Any]]:
    """Make the runs, two for each processor at once; return them in order."""
    lanes = min(len(numbers), 2 * (os.cpu_count() or 1))
    pids = []
    with tempfile.TemporaryDirectory(prefix="anyint-crash-") as folder:
        for lane in range(lanes):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    with Path(folder, str(lane)).open("w", encoding="utf-8") as file:
                        for number in numbers[lane::lanes]:
                            print(json.dumps(run_one(seed, number, url, kills[number % len(kills)])), file=file)
                    code = 0
                finally:
                    os._exit(code)
            pids.append(pid)
        broken = [pid for pid in pids if os.waitpid(pid, 0)[1]]
        if broken:
            raise ChildProcessError(f"{len(broken)} of {lanes} lanes broke down")
        lines = [line for lane in range(lanes) for line in Path(folder, str(lane)).read_text("utf-8").splitlines()]
    return sorted(map(json.loads, lines), key=lambda it: it["number"])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="kill -9 at every step of create and wait")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--only", type=int, help="make this one run, and show it")
    parser.add_argument("--brief", action="store_true", help="one run for each kind of step; write nothing")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    return parser.parse_args()


def main() -> int:
    """Make the runs; print, write, draw, judge."""
    wish = options()
    if not hasattr(os, "fork"):
        print("this benchmark forks and kills: it needs Linux or macOS")
        return 2
    kills = kinds(wish.seed) if wish.brief else KILLS
    numbers = [*range(len(kills) if wish.brief else wish.runs)] if wish.only is None else [wish.only]
    began = time.perf_counter()
    with gateway() as url:
        preload(wish.seed, url)
        results = measure(numbers, wish.seed, url, kills)
    seconds = time.perf_counter() - began
    if wish.only is not None:
        print(json.dumps(results, indent=1))
    wrong = problems(results, () if wish.runs < len(KILLS) or wish.only is not None else set(kills))
    about = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        **{name: version(name) for name in PACKAGES if find_spec(name) is not None},
    }
    foot = f"seed {wish.seed}, {LAYERS} attempts of the outer layer, {seconds:.0f} s; "
    foot += ", ".join(f"{name} {what}" for name, what in about.items())
    print(f"{table(results, whole=True)}\n\n{totals(results)}\n{foot}")
    for what in wrong:
        print(f"WRONG: {what}")
    if wish.brief or wish.only is not None:
        return 1 if wrong else 0
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    clients = Counter(it["client"] for it in results)
    record = {"runs": len(results), "seed": wish.seed, "seconds": round(seconds), "versions": about}
    document = {**record, "clients": clients, "wrong": wrong, "steps": counts(results)}
    (folder / "crash.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draw(results, folder / "crash.png")
    if wish.write_readme:
        text = table(results, whole=False)
        shown = f"\n{text}\n\n{totals(results)}.\n\n{foot}.\n\n![Fates by step](results/crash.png)\n"
        write_readme(HERE / "README.md", "crash", shown)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
