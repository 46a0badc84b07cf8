"""What a fleet does while its store is killed, stopped, filled and emptied: nothing that its users would notice.

A real redis-server serves 16 processes, each of which makes chats and paid creates on one gateway, some of which are
refused or lose their answers. Creates of unknown outcome and such with a key are made again, by the same process and,
with ``strict_ledger=True``, by another one. Meanwhile the server is killed and comes back empty, is stopped, runs out
of memory, loses its scripts, its connections and all it held; at last one process is killed. Judged by the gateway's
log and by what stands on the server: no call failed for the store's sake, no create was done twice, permits and tokens
are conserved, and all processes are back soon. The command exits non-zero where that is not so.

    python benchmarks/chaos.py [--quick] [--write-readme]

Needs a redis-server on the PATH (``apt-get install redis-server``) and redis-py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the tests' own servers are used

from _chaos_judge import Judge  # noqa: E402
from _chaos_report import tables, totals  # noqa: E402
from _chaos_run import Director, Plan  # noqa: E402
from _report import write_readme  # noqa: E402

from tests.redis_server import Server, missing  # noqa: E402

__all__ = ["main"]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="faults of a fleet's store, one after the other, under load")
    parser.add_argument("--quick", action="store_true", help="4 processes and two faults; judge no time, write nothing")
    parser.add_argument("--keep", type=Path, help="put everything that was noted into this file")
    parser.add_argument("--write-readme", action="store_true", help="put the tables into benchmarks/README.md")
    return parser.parse_args()


def measure(plan: Plan) -> tuple[dict[str, Any], str]:
    """Run a plan; return what was noted, and the server's version."""
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        notes = Director(plan, server, stack).run()
        return notes, server.info("server", "redis_version")


def main() -> int:
    """Run it; print, write, judge."""
    wish = options()
    if missing():
        print(missing())
        return 2
    plan, began = Plan(quick=wish.quick), time.perf_counter()
    notes, redis_version = measure(plan)
    seconds = time.perf_counter() - began
    if wish.keep is not None:
        wish.keep.write_text(json.dumps(notes), encoding="utf-8")
    found = Judge(notes, plan.most, timed=not wish.quick).result()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    about = {"python": platform.python_version(), "machine": machine, "redis-server": redis_version}
    about.update({name: version(name) for name in ("redis", "httpx")})
    shown = tables(found["phases"], plan.most)
    foot = f"{plan.processes} processes, {plan.most} requests of one model at a time, {seconds:.0f} s; "
    foot += ", ".join(f"{name} {what}" for name, what in about.items())
    print(f"{shown}\n\n{totals(found['totals'])}\n{foot}\n{len(found['wrong'])} problems")
    for what in found["wrong"]:
        print(f"WRONG: {what}")
    if wish.quick:
        return 1 if found["wrong"] else 0
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    document = {"processes": plan.processes, "most": plan.most, "seconds": round(seconds), "versions": about, **found}
    (folder / "chaos.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if wish.write_readme:
        wrong = "".join(f"\n\nWRONG: {what}" for what in found["wrong"])
        write_readme(HERE / "README.md", "chaos", f"\n{shown}\n\n{totals(found['totals'])}.\n\n{foot}.{wrong}\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
