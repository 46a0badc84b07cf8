"""What a stream costs through our layer: each piece, the first byte, the memory of many; and what broken ones leave.

Three measurements, each over the bare client in the same process and the same rounds:

- pieces: streams of 10,000 events of 64 bytes to 4 KiB that lie in memory, read piece by piece, through the watcher
  alone and through each client. The figure of a side in a round is the CPU time of its best turn; the garbage collector
  rests. What gives the bytes is said in ``_streams_sides.py``. With them, and judged by nobody: what other forms cost,
  without a client (cut anywhere, CRLF, ids, a content coding, choices, ``content_idle_timeout``).
- first: the time from the request to the first byte on a real socket, side by side, request by request.
- memory: 1,000 streams open at once, 64 KiB read of each, and once more 1 MiB: what is resident, and what Python holds.

``--leaks`` runs 10,000 streams per client that break, or that nobody reads on, instead: see ``_streams_leaks.py``.
The command exits non-zero when an aim is missed, or something is left behind.

    python benchmarks/streams.py [--only pieces,first,memory] [--clients httpx2] [--write-readme]
    python benchmarks/streams.py --leaks [--calls N] [--clients "httpx sync,requests"] [--write-readme]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from inspect import isawaitable
from pathlib import Path
from typing import Any

import _streams_forms as forms
import _streams_leaks as leaks
import overhead
from _processes import child
from _report import write_readme
from _streams_chunks import DIALECTS, pieces_of
from _streams_clients import CLIENTS
from _streams_report import draw, problems, tables
from _streams_sides import READERS, reader_of
from _streams_socket import CONTENT, SIDES, first_bytes, memory_of

HERE = Path(__file__).resolve().parent
COUNT = 10_000
TURNS = 3
LATE = 0.005
STREAMS = 1_000
HELD = ("httpx2 asyncio", "aiohttp")
"""The clients whose memory is measured: those that have so many streams in one process."""
SIZES = {
    "64 KiB read, resident": (65_536, False),
    "64 KiB, Python's": (65_536, True),
    "1 MiB, resident": (2**20, False),
}
FORM_TURNS = 2
ALONE = "watcher alone"
PARTS = ("pieces", "first", "memory")


# Measuring, each in a process of its own.


async def pieces(name: str, rounds: int, seed: int) -> dict[str, dict[str, list[float]]]:
    """CPU nanoseconds per piece of each side, for each dialect in each round; the first round only warms up."""
    chance, taken = random.Random(seed), {}
    for dialect, found in DIALECTS.items():
        given = pieces_of(found, COUNT)
        taken[dialect] = {side: [] for side in SIDES}
        async with AsyncExitStack() as closing:
            read = {side: reader_of(name, side, dialect, given, closing) for side in chance.sample(SIDES, 2)}
            for number in range(-1, rounds):
                best = dict.fromkeys(SIDES, float("inf"))
                for _ in range(TURNS):
                    for side in chance.sample(SIDES, len(SIDES)):
                        best[side] = min(best[side], await _turn(read[side]))
                for side in SIDES if number >= 0 else ():
                    taken[dialect][side].append(best[side])
    return taken


async def other_forms(rounds: int, seed: int) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Do as :func:`pieces` for each form and dialect, without a client; of a coding also what undoing it takes."""
    chance, taken = random.Random(seed), {}
    for name, form in forms.FORMS.items():
        taken[name] = {}
        for dialect in forms.ALL:
            given = forms.stream_of(dialect, form, COUNT)
            sides = [*SIDES, "inflate"] if form.coding else SIDES
            read = {side: forms.reader_of(dialect, form, given, side) for side in sides if given}
            found: dict[str, list[float]] = {side: [] for side in read}
            for _ in range(rounds if given else 0):
                best = dict.fromkeys(read, float("inf"))
                for side in chance.sample(list(read) * FORM_TURNS, len(read) * FORM_TURNS):
                    best[side] = min(best[side], await _turn(read[side], len(given)))
                for side, spent in best.items():
                    found[side].append(spent)
            if given:
                taken[name][dialect] = found
    return taken


async def _turn(read: Any, pieces: int = COUNT) -> float:
    """Read a whole stream; CPU nanoseconds per piece."""
    gc.collect()
    gc.disable()
    begun = time.process_time_ns()
    count = read()
    count = await count if isawaitable(count) else count
    spent = time.process_time_ns() - begun
    gc.enable()
    if count < pieces - len(DIALECTS):  # a client may join what came before the content
        raise RuntimeError(f"{count} pieces of {pieces} were read")
    return spent / pieces


async def first(name: str, url: str, times: int) -> dict[str, Any]:
    """Microseconds to the first byte, and to content that is late."""
    return {
        "at once": await first_bytes(name, url, times, "whole", b""),
        "late": await first_bytes(name, url, times // 4, f"late {LATE}", CONTENT),
    }


def work(wish: argparse.Namespace) -> Any:
    """Measure one thing in this process."""
    part, name = wish.worker.split(":")
    if part == "leaks":
        return leaks.work(name, wish.url, wish.calls, wish.lane)
    if part == "forms":
        return asyncio.run(other_forms(wish.rounds, wish.seed))
    if part == "pieces":
        return asyncio.run(pieces(name, wish.rounds, wish.seed))
    if part == "first":
        return asyncio.run(first(name, wish.url, wish.times))
    size, traced = SIZES[wish.size]
    return asyncio.run(memory_of(name, wish.side, wish.url, STREAMS, size, traced=traced))


def run(part: str, name: str, **more: Any) -> Any:
    """Do so in a process of its own."""
    words = [sys.executable, __file__, "--worker", f"{part}:{name}"]
    words += [word for key, value in more.items() for word in (f"--{key}", str(value))]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=1800).stdout)


# Putting together.


def _spread(nanoseconds: list[float]) -> dict[str, float]:
    low, middle, high = (it / 1000 for it in statistics.quantiles(nanoseconds, n=4))
    return {"median_us": round(middle, 3), "quartile_low_us": round(low, 3), "quartile_high_us": round(high, 3)}


def measure_pieces(names: list[str], wish: argparse.Namespace) -> dict[str, Any]:
    """Every client and dialect; processes are repeated, since where objects lie in memory is worth something."""
    results: dict[str, Any] = {}
    for name in names:
        runs = [run("pieces", name, rounds=wish.rounds, seed=seed) for seed in range(wish.processes)]
        results[name] = {}
        for dialect in DIALECTS:
            together = {side: [ns for one in runs for ns in one[dialect][side]] for side in SIDES}
            added = [mine - bare for mine, bare in zip(together["ours"], together["bare"], strict=True)]
            results[name][dialect] = {side: _spread(ns) for side, ns in {**together, "added": added}.items()}
    return results


def measure_forms(wish: argparse.Namespace) -> dict[str, Any]:
    """Every form and dialect; ``share``: what is added but for a bare inflate."""
    rounds = max(2, wish.rounds // 3)
    runs = [run("forms", ALONE, rounds=rounds, seed=seed) for seed in range(wish.processes)]
    results: dict[str, Any] = {}
    for name, dialects in runs[0].items():
        results[name] = {}
        for dialect, sides in dialects.items():
            together = {side: [ns for one in runs for ns in one[name][dialect][side]] for side in sides}
            less = {"added": "bare", "share": "inflate"}
            for word, side in less.items():
                if side in together:
                    pairs = zip(together["ours"], together[side], strict=True)
                    together[word] = [mine - other for mine, other in pairs]
            results[name][dialect] = {side: _spread(ns) for side, ns in together.items()}
    return results


def measure_memory(names: list[str], url: str) -> dict[str, Any]:
    """KiB for each stream, of both sides."""
    return {
        name: {
            size: {side: run("memory", name, url=url, side=side, size=size)["kib_per_stream"] for side in SIDES}
            for size in SIZES
        }
        for name in names
    }


def measure(wish: argparse.Namespace) -> dict[str, Any]:
    """Everything that is wished for."""

    def wanted(names: Any) -> list[str]:
        return [name for name in names if not wish.clients or any(it in name for it in wish.clients.split(","))]

    parts, results = wish.only.split(","), {}
    if "pieces" in parts:
        results["pieces"] = measure_pieces(wanted(READERS), wish)
        results["forms"] = measure_forms(wish) if wanted([ALONE]) else {}
    with child(str(HERE / "_streams_server.py")) as (url, _):
        if "first" in parts:
            results["first"] = {name: run("first", name, url=url, times=wish.times) for name in wanted(CLIENTS)}
        if "memory" in parts:
            results["memory"] = measure_memory(wanted(HELD), url)
    return results


# The command.


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="what streams cost")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--clients", default="", help="those with one of these words in their names")
    parser.add_argument("--rounds", type=int, default=6, help="in each process")
    parser.add_argument("--processes", type=int, default=2, help="for each client")
    parser.add_argument("--times", type=int, default=400, help="first bytes for each side")
    parser.add_argument("--leaks", action="store_true", help="streams that break, and what they leave behind")
    parser.add_argument("--calls", type=int, default=10_000, help="of them")
    parser.add_argument("--write-readme", action="store_true", help="put the tables into benchmarks/README.md")
    for hidden in ("--worker", "--url", "--side", "--size", "--lane"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def finish(name: str, text: str, record: dict[str, Any], said: list[str], *, picture: str, readme: bool) -> int:
    """Print, write, judge."""
    text += "".join(f"\n\n{words}" for words in said)
    print(text)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if readme:
        write_readme(HERE / "README.md", name, f"\n{text}\n{picture}")
    return 1 if said else 0


def main() -> int:
    """Measure; print, write, draw, judge."""
    wish = options()
    if wish.worker:
        json.dump(work(wish), sys.stdout)
        return 0
    (HERE / "results").mkdir(exist_ok=True)
    about = overhead.versions()
    conditions = ", ".join(f"{name} {what}" for name, what in about.items())
    if wish.leaks:
        results, said = leaks.measure(wish.clients, wish.calls, run)
        text = f"{leaks.table(results)}\n\n{leaks.FOOT}; {conditions}."
        record = {"calls": wish.calls, "versions": about, "said": said, "results": results}
        return finish("stream_leaks", text, record, said, picture="", readme=wish.write_readme)
    results = measure(wish)
    foot = (
        f"{wish.processes} processes for each client, each {wish.rounds} rounds of {TURNS} turns of {COUNT:,} pieces; "
        f"{wish.times} first bytes; {STREAMS:,} open streams; {conditions}."
    )
    draw(results, HERE / "results" / "streams.png")
    record = {"rounds": wish.rounds, "turns": TURNS, "pieces": COUNT, "versions": about, "results": results}
    picture = "\n![What a stream costs](results/streams.png)\n"
    text = f"{tables(results)}\n\n{foot}"
    return finish("streams", text, record, problems(results), picture=picture, readme=wish.write_readme)


if __name__ == "__main__":
    sys.exit(main())
