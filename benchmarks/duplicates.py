"""Paid twice: how many creates are done more than once, when the gateway does the work and then the answer is lost.

Each side (a client, and what repeats requests inside it) runs in a process of its own, against the emulated gateway in
another one. Four requests in five meet a fault after their task was made: a reset, a 502, silence beyond the read
time-out, an answer that breaks off. Around every side stands a retry layer of three attempts, as applications have it:
tenacity, or the SDK's own. Each create has a serial number in its prompt, so the gateway's tasks tell how often it was
done; the fault is drawn from that number, so that every side meets the same ones. The sides take turns, in rounds. The
command exits non-zero when a side of ours created something twice, or was told of a success that is not there.

    python benchmarks/duplicates.py [--creates N] [--peer-creates N] [--sides "ours,requests:urllib3"] [--write-readme]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _dup_gateway import FAULTS
from _dup_report import draw, table, totals
from _dup_sides import ATTEMPTS, READ_PATIENCE, SIDES, USERS
from _dup_worker import name_of, work
from _processes import START_SECONDS, Ask, child
from _report import write_readme

HERE = Path(__file__).resolve().parent
ROUNDS = 5
SETTLE = 0.2  # seconds: what a client gave up on a moment ago may still be on its way to the gateway
SECONDS_PER_CREATE = 0.2  # a side that takes longer hangs
MOST_UNSEEN = 0.05  # share of a side's creates that may miss the gateway: one that reaches nothing duplicates nothing
PACKAGES = "httpx httpx2 requests urllib3 aiohttp openai httpx-retries aiohttp-retry tenacity".split()


class Tally:
    """What became of the creates of one side: what the application was told, and what the gateway did."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.words: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.seconds = 0.0

    def take(self, told: dict[str, tuple[str, str]], gateway: dict[str, Any]) -> None:
        """Add a round."""
        self.errors += gateway["errors"]
        self.counts["requests"] += gateway["requests"]
        for serial, (word, ident) in told.items():
            made = gateway["tasks"].get(serial, [])
            self.words[word] += 1
            self.counts["creates"] += 1
            self.counts["duplicates"] += max(0, len(made) - 1)
            self.counts["twice"] += len(made) > 1
            self.counts["never"] += not made
            self.counts["lost"] += word == "ok" and ident not in made
            self.counts["unknown_with_task"] += word == "OutcomeUnknown" and bool(made)

    def told(self) -> dict[str, Any]:
        """Return all this as a document."""
        names = ("creates", "requests", "duplicates", "twice", "never", "lost", "unknown_with_task")
        counts = {name: self.counts[name] for name in names}
        return {**counts, "told": dict(self.words), "seconds": round(self.seconds, 1), "errors": self.errors}


def problems(side: str, result: dict[str, Any]) -> list[str]:
    """Everything a side must not show; peers may create twice."""
    found = [f"the gateway failed: {error}" for error in result["errors"]]
    if result["never"] > MOST_UNSEEN * result["creates"]:
        found.append(f"{result['never']} creates made no task at the gateway: nothing is measured")
    if side.endswith(":ours"):
        found += [f"{result[name]:,} {name}" for name in ("duplicates", "lost") if result[name]]
    return found


def turn(tally: Tally, first: int, number: int, ask: Ask, gateway: Ask) -> None:
    """Let a side make some of its creates, and count."""
    gateway("reset", START_SECONDS)
    begun = time.monotonic()
    told = ask(f"{first} {number}", START_SECONDS + SECONDS_PER_CREATE * number)
    tally.seconds += time.monotonic() - begun
    time.sleep(SETTLE)
    tally.take(told, gateway(f"counts {name_of(tally.side)}", START_SECONDS))


def measure(sides: dict[str, int]) -> dict[str, Any]:
    """Run the sides, each with its number of creates, in turns; a side that breaks down has no result."""
    tallies = {side: Tally(side) for side in sides}
    with ExitStack() as closing:
        url, gateway = closing.enter_context(child(str(HERE / "_dup_gateway.py")))
        asks = {side: closing.enter_context(child(__file__, "--worker", side, "--url", url))[1] for side in sides}
        for number in range(ROUNDS):
            for side, creates in sides.items():
                first, end = creates * number // ROUNDS, creates * (number + 1) // ROUNDS
                if side in asks and end > first:
                    try:
                        turn(tallies[side], first, end - first, asks[side], gateway)
                    except (ChildProcessError, BrokenPipeError) as error:
                        print(f"{side}: FAILED: {error}", flush=True)
                        del asks[side], tallies[side]
            print(f"round {number + 1} of {ROUNDS} done", file=sys.stderr, flush=True)
    return {side: tally.told() for side, tally in tallies.items()}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="creates that are done more than once")
    parser.add_argument("--creates", type=int, default=20_000, help="on each side of ours")
    parser.add_argument("--peer-creates", type=int, default=2_000, help="on each other side")
    parser.add_argument("--sides", default="", help=f"clients, layers or sides, of {', '.join(SIDES)}")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    wish = parser.parse_args()
    known = {word for side in SIDES for word in (side, *side.split(":"))}
    strange = [word for word in wish.sides.split(",") if word and word not in known]
    if strange:
        parser.error(f"no side {', '.join(strange)}; there are: {', '.join(SIDES)}")
    return wish


def chosen(wish: argparse.Namespace) -> dict[str, int]:
    """Return the sides that are wanted, and how many creates each makes."""
    words = set(filter(None, wish.sides.split(",")))
    return {
        side: wish.creates if side.endswith(":ours") else wish.peer_creates
        for side in SIDES
        if not words or words & {side, *side.split(":")}
    }


def main() -> int:
    """Run the sides; print, write, draw, judge."""
    wish = options()
    if wish.worker:
        work(wish.worker, wish.url)
        return 0
    sides = chosen(wish)
    results = measure(sides)
    failed = results.keys() != sides.keys() or not results
    for side, result in results.items():
        wrong = problems(side, result)
        failed = failed or bool(wrong)
        shown = "; ".join(wrong) or f"{result['duplicates']:,} duplicates"
        print(f"{side}: {shown}; {result['seconds']} s; told: {result['told']}")
    about = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        **{name: version(name) for name in PACKAGES},
    }
    text = table(results)
    foot = (
        f"{USERS} users, {ATTEMPTS} attempts at each level, read time-out {READ_PATIENCE} s, {ROUNDS} rounds; "
        f"{', '.join(f'{name} {what}' for name, what in about.items())}"
    )
    print(f"\n{text}\n\n{totals(results)}\n{foot}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    faults = {"good answer" if fault is None else fault.name: share for share, fault in FAULTS}
    record = {"faults": faults, "users": USERS, "read_timeout": READ_PATIENCE, "versions": about, "results": results}
    (folder / "duplicates.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draw(results, folder / "duplicates.png")
    if wish.write_readme:
        shown = (
            f"\n{text}\n\n{totals(results)}.\n\n{foot}.\n\n![Duplicates per 1,000 creates](results/duplicates.png)\n"
        )
        write_readme(HERE / "README.md", "duplicates", shown)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
