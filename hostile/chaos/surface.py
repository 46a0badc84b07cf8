"""One surface's run, in a process of its own: batches of calls, each judged before the next.

Must not know what a fault is; it prints what did not hold, and returns figures.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from anyint_resilience import Guards, Resilience
from tests.conformance.surfaces import EVERY, Surface, calling

from .calls import Calls
from .control import Control
from .jobs import CREATES, NOBODY, job_of
from .judge import Case, cases_of, judged, soft
from .plan import plan_of
from .ports import FIRST, RANGE
from .watch import left, living, rss, settled, watchdog

__all__ = ["BATCH", "KEY", "run", "surface_of"]

KEY: Final = "chaos-key"
BATCH: Final = 1600
PORTS: Final = 320
WARM: Final = 40
HANGS: Final = 30.0
"""Seconds after which a call has hung: the longest deadline is 5, a time-out 1, a call has 3 attempts."""

TIMEOUT: Final = 1.0
GROWTH: Final = 32 * 1024
"""KiB that a surface may grow by after its first fifth."""

_SHOWN: Final = 20
_ALONE: Final = Guards(budget_reserve=1e6, failures=1_000_000)
"""One call's failures are no reason to hold back the others: else most calls would meet no fault at all."""


def surface_of(name: str) -> Surface:
    """Return the surface of this name."""
    return next(it for it in EVERY if str(it) == name)


@contextlib.contextmanager
def world(seed: int, first: int) -> Iterator[Control]:
    """Start the other end in a process of its own."""
    line = [sys.executable, "-m", "hostile.chaos", "--world", "--seed", str(seed), "--ports", str(PORTS)]
    line += ["--first", str(first)]
    # In a session of its own: a busy system shares its processors out by session.
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        control = Control(int(process.stdout.readline()))
        try:
            yield control
        finally:
            control.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Run:
    """One surface's figures, and its batches."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()

    def say(self, number: int, what: str, *details: object) -> None:
        """Print what did not hold of a call."""
        self.wrong[what.partition(":")[0]] += 1
        if self.wrong.total() <= _SHOWN:
            print(f"VIOLATION {self.name} seed {self.seed} call {number}: {what}", file=sys.stderr)
            for detail in details:
                print(f"    {detail}", file=sys.stderr)
            sys.stderr.flush()

    def batch(self, calls: Calls, first: int, last: int) -> None:
        """Make some calls, and judge them."""
        calls.ids = prepared(calls.where["emulator_port"])
        told = calls.batch(first, last)
        files = uploaded(calls.where["emulator_port"])
        log = calls.control.ask("log")
        for odd in log["odd"]:
            self.say(-1, f"world: {odd}")
        held = settled(partial(in_use, calls.caller), lambda it: not it)
        if held:
            self.say(last, f"leak: {len(held)} connections were not given back after a batch", *held)
        for case in cases_of(map(partial(plan_of, self.seed), range(first, last)), told, log, files):
            self.judge(case, log["met"].get(str(case.plan.number), 0))
        print(f"{self.name}: {last:,} calls, {self.wrong.total()} violations", file=sys.stderr, flush=True)

    def judge(self, case: Case, met: int) -> None:
        """Judge one call, and count it; ``met``: how many of its connections met their fault."""
        for what in judged(case):
            self.say(case.plan.number, what, case.plan, *(it.shown() for it in case.told), *case.records, *case.seen)
        self.count(case, met)

    def count(self, case: Case, met: int) -> None:
        """Add a call to the figures."""
        counts, plan = self.counts, case.plan
        last = case.told[-1]
        faults = [f"{it['phase']}/{it['kind']}" for it in case.records if it["phase"] is not None]
        if plan.opening is not None and plan.opening.kind in ("refused", "black_hole"):
            met = plan.openings
        faults += [str(plan.opening)] * min(met, 3)
        self.faults.update(faults)
        counts["calls"] += 1
        counts["creates"] += plan.operation in CREATES
        counts["made"] += len(case.made)
        counts["duplicates"] += max(0, len(case.made) - 1)
        counts["faults"] += len(faults)
        counts["faulty"] += bool(faults)
        counts["tries"] += len(case.records)
        counts["attempts"] += sum(len(it.report["attempts"]) for it in case.told if it.report)
        good = last.how == "answer" and last.status is not None and last.status < 400
        counts["survived"] += good and bool(faults)
        counts["good"] += good
        counts["answers"] += last.how == "answer" and not good
        counts["exceptions"] += last.how != "answer"
        counts["again"] += len(case.told) > 1
        counts["soft"] += any(it.how == "answer" and soft(case, it) for it in case.told)
        counts["unreported"] += any(it.report is None for it in case.told)

    def row(self, seconds: float) -> dict[str, Any]:
        """Return the figures."""
        names = (
            "lost",
            "garbled",
            "answer",
            "report",
            "certainty",
            "leak",
            "hang",
            "foreign exception",
            "world",
            "logs",
        )
        wrong = {name: self.wrong[name] for name in names}
        return {
            "surface": self.name,
            "seed": self.seed,
            "seconds": round(seconds, 1),
            **self.counts,
            "violations": self.wrong.total(),
            "wrong": wrong,
            "by_fault": dict(sorted(self.faults.items())),
        }


def run(name: str, seed: int, number: int) -> dict[str, Any]:
    """Run one surface; return its row."""
    surface, going, began = surface_of(name), Run(name, seed), time.monotonic()
    with (
        world(seed, FIRST + RANGE * EVERY.index(surface)) as control,
        tempfile.NamedTemporaryFile("w", suffix=".pem") as authority,
    ):
        where = control.ask("where")
        authority.write(where["authority"])
        authority.flush()
        batches(going, surface, control, where, authority.name, WARM, first=-WARM)  # imports, caches, threads of others
        going.counts.clear()
        going.faults.clear()
        before, began = left(), time.monotonic()
        batches(going, surface, control, where, authority.name, number)
        seconds = time.monotonic() - began
        after = settled(left, lambda it: all(it[name] <= before[name] for name in it))
        for what, count in after.items():
            if count > before[what]:
                going.say(number, f"leak: {count - before[what]} {what} after the client was closed")
        open_now = settled(lambda: control.ask("open_now"), lambda it: not any(it.values()))
        for what, count in open_now.items():
            if count:
                going.say(number, f"leak: {count} {what} still open at the other end after the client was closed")
    return going.row(seconds)


def batches(
    going: Run, surface: Surface, control: Control, where: dict[str, Any], authority: str, number: int, first: int = 0
) -> None:
    """Open a client, make so many calls on it in batches, and close it."""
    calls = Calls(None, control, where, partial(plan_of, going.seed))
    urls = [f"{scheme}://127.0.0.1:{port}" for port in where["ports"] for scheme in ("http", "https")]
    urls += [f"http://127.0.0.1:{where['port']}", f"https://127.0.0.1:{where['tls_port']}"]
    # Creates are remembered for a minute, not for an hour: what grows is not what is meant to be kept.
    anyint = Resilience(api_key=KEY, hosts=urls, guards=_ALONE, runtime=calls.runtime(), unknown_window=60.0)
    context, options = ssl.create_default_context(cafile=authority), {}
    if surface.is_httpx:
        options["verify"] = context
    elif surface.library == "aiohttp":
        calls.more = {"ssl": context}
    with calling(surface, anyint, timeout=TIMEOUT, **options) as calls.caller:
        if surface.library == "requests":
            calls.caller.client.verify, calls.caller.client.trust_env = authority, False
        with watchdog(
            calls.running, HANGS, lambda it: going.say(it, "hang: a call did not end", plan_of(going.seed, it))
        ):
            each_batch(going, surface, calls, first, first + number)


def each_batch(going: Run, surface: Surface, calls: Calls, first: int, last: int) -> None:
    """Make the calls in batches; see that tasks and memory do not grow."""
    tasks, grown = 1_000_000, None
    for start in range(first, last, BATCH):
        going.batch(calls, start, min(start + BATCH, last))
        if surface.backend is not None:
            alive = settled(partial(calls.caller.call, living, surface.backend), tasks.__ge__)
            if alive > tasks:
                going.say(start, f"leak: {alive - tasks} tasks more than after the first batch")
            tasks = min(alive, tasks)
        if start - first >= (last - first) // 5:
            gc.collect()
            grown = rss() if grown is None else grown
            going.counts["rss_kib"], going.counts["grown_kib"] = rss(), rss() - grown
    if grown is not None and rss() - grown > GROWTH:
        going.say(last, f"leak: {rss() - grown} KiB more memory than after the first fifth")


def in_use(caller: Any) -> list[str]:
    """Return the connections that a client has not got back."""
    if not caller.surface.is_httpx:
        return ["one"] * caller.in_use()
    return [repr(it) for it in caller.client._transport.inner._pool.connections if not it.is_idle()]


def asked(port: int, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
    """Ask the emulator itself, past the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"authorization": f"Bearer {KEY}", "content-type": kind}
    connection.request(method, path, body, headers)
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told


def prepared(port: int) -> dict[str, str]:
    """Make a task of each family and a file, for the queries; return their ids."""
    ids = {}
    for name, path in (("video", ("id",)), ("kling", ("data", "task_id")), ("suno", ("data", "taskId"))):
        ids[name] = _made(port, name, path)
    ids["dashscope"] = _made(port, "dashscope", ("output", "task_id"))
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"y" * 5000 + b"\r\n--b--\r\n"
    ids["upload"] = asked(port, "POST", "/openai/v1/files", form, "multipart/form-data; boundary=b")["id"]
    return ids


def _made(port: int, name: str, path: tuple[str, ...]) -> str:
    job = job_of(name, NOBODY, {})
    told = asked(port, "POST", job.path, json.dumps(job.options["json"]).encode())
    for word in path:
        told = told[word]
    return str(told)


def uploaded(port: int) -> list[dict[str, Any]]:
    """Return the files that the emulator has."""
    return list(asked(port, "GET", "/openai/v1/files")["data"])
