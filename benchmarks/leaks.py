"""What faulty calls leave behind: sockets, tasks, threads, objects and memory before and after 10,000 retried calls.

Each surface (a client, blocking or on an event loop) runs in a process of its own, against the emulated gateway in
another one. Four threads or tasks share a pool of two connections. Every call meets one to three faults that are
retried (errors with a body, with a large one, with a broken one, resets, half-closed connections, bytes that are no
HTTP), without waiting between the attempts, and ends in a good answer, or for one in twenty in the last error. One
answer in five is closed after its first piece. After a warm-up of 500 such calls, and again after all the others, two
slow good calls fill the pool, the garbage is collected, and what is there is counted; a third time after the client was
closed. The command exits non-zero when something has grown beyond its bound. It needs /proc, so Linux.

    python benchmarks/leaks.py [--calls N] [--surfaces "httpx sync,requests"] [--write-readme]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _leak_surfaces import POOL, SURFACES
from _leak_worker import USERS, WARM_UP, plan_name, work
from _report import markdown, write_readme

HERE = Path(__file__).resolve().parent
BOUNDS = {"sockets": 0, "tasks": 0, "threads": 0, "objects": 500, "rss_mib": 4.0}
"""How much more there may be after the calls than before them."""
PACKAGES = ("httpx", "httpx2", "requests", "urllib3", "aiohttp", "trio")
SECONDS_PER_CALL = 0.1  # a surface that takes longer hangs


@contextmanager
def gateway() -> Iterator[Any]:
    """Run the gateway in a process of its own; yields its address and a way to ask it for its counts."""
    words = [sys.executable, str(HERE / "_leak_gateway.py")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin: Any = process.stdin
        stdout: Any = process.stdout

        def ask(word: str) -> dict[str, Any]:
            stdin.write(word + "\n")
            stdin.flush()
            counts: dict[str, Any] = json.loads(stdout.readline())
            return counts

        try:
            yield stdout.readline().strip(), ask
        finally:
            stdin.close()


def run(surface: str, url: str, calls: int, ask: Any) -> dict[str, Any] | None:
    """Run one surface in its own process; what the gateway saw of it is added. None if it did not get to its end."""
    ask("reset")
    words = [sys.executable, __file__, "--worker", surface, "--url", url, "--calls", str(calls)]
    limit = 60 + SECONDS_PER_CALL * (calls + WARM_UP)
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=limit)
    except subprocess.SubprocessError as error:
        print(f"{surface}: FAILED: {error}", flush=True)
        return None
    result: dict[str, Any] = json.loads(done.stdout)
    after = ask("counts")
    result["requests"] = after["requests"].get(plan_name(surface, "run"), 0)
    result["gateway_connections_left"] = after["connections"]
    result["gateway_errors"] = after["errors"]
    return result


def problems(result: dict[str, Any]) -> list[str]:
    """Everything a surface must not show."""
    before, after, closed = result["before"], result["after"], result["closed"]
    found = [
        f"{name} grew from {before[name]} to {after[name]}"
        for name, bound in BOUNDS.items()
        if after[name] - before[name] > bound
    ]
    if closed["sockets"] > before["sockets"] - POOL:
        found.append(f"{closed['sockets']} sockets open after the client was closed")
    if result["retried"] + result["timed_out"] < result["calls"]:  # a create that timed out is not sent again
        found.append(f"only {result['retried']} of {result['calls']} calls were retried")
    if result["starved"]:
        found.append(f"{result['starved']} calls waited in vain for a connection of the pool")
    if result["gateway_connections_left"]:
        found.append(f"the gateway still has {result['gateway_connections_left']} connections")
    return [*found, *(f"the gateway failed: {error}" for error in result["gateway_errors"])]


def table(results: dict[str, Any]) -> str:
    """One line per surface: before and after."""
    rows = [
        "surface, calls, requests, sockets, tasks, threads, gc objects, RSS in MiB, seconds".split(", "),
    ]
    for surface, result in results.items():
        before, after = result["before"], result["after"]
        pairs = [f"{before[name]:,} → {after[name]:,}" for name in ("sockets", "tasks", "threads", "objects")]
        memory = f"{before['rss_mib']:.1f} → {after['rss_mib']:.1f}"
        rows.append(
            [surface, f"{result['calls']:,}", f"{result['requests']:,}", *pairs, memory, f"{result['seconds']:.0f}"]
        )
    return markdown(rows)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="what retried calls leave behind")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--surfaces", default=",".join(SURFACES), help=f"of {', '.join(SURFACES)}")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run the surfaces one after the other; print, write, judge."""
    wish = options()
    if wish.worker:
        json.dump(work(wish.worker, wish.url, wish.calls), sys.stdout)
        return 0
    if not Path("/proc/self/fd").is_dir():
        print("this benchmark counts sockets in /proc: it needs Linux")
        return 2
    results: dict[str, Any] = {}
    failed = False
    with gateway() as (url, ask):
        for surface in wish.surfaces.split(","):
            result = run(surface, url, wish.calls, ask)
            if result is None:
                failed = True
                continue
            results[surface] = result
            failed = failed or bool(problems(result))
            told = "; ".join(problems(result)) or "nothing left behind"
            print(f"{surface}: {told}; {result['timed_out']} read time-outs; ends: {result['ends']}", flush=True)
    about = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in PACKAGES},
    }
    text = table(results)
    foot = (
        f"{USERS} users of a pool of {POOL}, {WARM_UP} calls before the first count; may grow by: "
        f"{BOUNDS['objects']} objects, {BOUNDS['rss_mib']:.0f} MiB, nothing else; "
        f"{', '.join(f'{name} {what}' for name, what in about.items())}"
    )
    print(f"\n{text}\n\n{foot}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    record = {"calls": wish.calls, "bounds": BOUNDS, "versions": about, "results": results}
    (folder / "leaks.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if wish.write_readme:
        write_readme(HERE / "README.md", "leaks", f"\n{text}\n\n{foot}.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
