"""How chaos.py runs: a server, a gateway, a fleet of processes, and one fault of the store after the other.

Must not know what is wrong: it notes what it did and saw, and when. All processes it starts end with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from _chaos_server import flying_creates, permits, tokens_of

from anyint_resilience import Guards
from anyint_resilience.stores.redis import RedisStore

__all__ = ["FAULTS", "LEASE", "Child", "Director", "Plan", "journal"]

HERE = Path(__file__).resolve().parent
LEASE = 30.0  # seconds after which the permit of a process that has died is free
_SETTLES = 0.7  # seconds after which a gateway that answers nothing has all that comes
_PATIENCE = 1.5  # seconds more, where permits and requests differ
_PIECE = "x" * 65_536


class Plan:
    """How large a run is. ``most``: requests of one model that may be out; times are seconds."""

    def __init__(self, *, quick: bool) -> None:
        self.processes, self.most = (4, 3) if quick else (16, 8)
        self.calm, self.after, self.down = (3.0, 3.0, 1.5) if quick else (8.0, 5.0, 3.0)
        self.faults = ("kill -9, empty", "stopped") if quick else tuple(FAULTS)
        self.kills_worker = not quick
        self.warm = 1.0 if quick else 4.0  # all begin at once


class Child:
    """A script in a process of its own, asked line for line; killed at the end."""

    def __init__(self, *words: object) -> None:
        line = [sys.executable, *map(str, words)]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.alive = True

    def say(self, word: str) -> None:
        """Write a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = 60.0) -> Any:
        """Read a line. Raises ChildProcessError if none comes."""
        assert self.process.stdout is not None
        late = threading.Timer(seconds, self.process.kill)
        late.start()
        heard = self.process.stdout.readline()
        late.cancel()
        if not heard:
            raise ChildProcessError(f"no answer from {self.process.args}")
        return json.loads(heard)

    def ask(self, word: str, seconds: float = 60.0) -> Any:
        """Write a line, and read the answer."""
        self.say(word)
        return self.hear(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.alive = False
        self.process.kill()
        self.process.wait()
        for it in (self.process.stdin, self.process.stdout):
            if it is not None:
                with suppress(BrokenPipeError):
                    it.close()


def _full(server: Any, seconds: float) -> None:
    """Let memory run out, and free it."""
    server.cli("CONFIG", "SET", "maxmemory", int(server.info("memory", "used_memory")) + 1_000_000)
    count, end = 0, time.monotonic() + seconds
    import redis

    with suppress(redis.RedisError):
        while count < 1000:
            server.cli("SET", f"filler:{count}", _PIECE)
            count += 1
    server.cli("CONFIG", "SET", "maxmemory", 1_000_000)  # there is not even room for a little more
    time.sleep(max(0.0, end - time.monotonic()))
    for number in range(count):
        server.cli("DEL", f"filler:{number}")
    server.cli("CONFIG", "SET", "maxmemory", 0)


def _stopped(server: Any, seconds: float) -> None:
    server.stop()
    time.sleep(seconds)
    server.go_on()


def _killed(server: Any, seconds: float) -> None:
    server.kill()
    time.sleep(seconds)
    server.start()


FAULTS: dict[str, Callable[[Any, float], object]] = {
    "scripts flushed": lambda server, _: server.cli("SCRIPT", "FLUSH"),
    "connections killed": lambda server, _: server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
    "subscribers killed": lambda server, _: server.cli("CLIENT", "KILL", "TYPE", "pubsub"),
    "stopped": _stopped,
    "memory full": _full,
    "kill -9, empty": _killed,
    "flushed": lambda server, _: server.cli("FLUSHALL"),
}
"""What is done to the server, which takes so many seconds where it lasts."""
LOSSES = ("kill -9, empty", "flushed")
LASTS = ("stopped", "memory full", "kill -9, empty")


class Director:
    """Runs a plan, and notes phases: when each began and ended, and what was seen at its end."""

    def __init__(self, plan: Plan, server: Any, stack: ExitStack) -> None:
        self.plan, self.server = plan, server
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="anyint-chaos-")))
        self.phases: list[dict[str, Any]] = []
        self.gateway = self._child(stack, "_chaos_gateway.py")
        self.url: str = self.gateway.hear()
        self.store = RedisStore(server.url)
        stack.callback(self.store.close)
        self.workers = [
            self._child(stack, "_chaos_worker.py", number, plan.processes, self.url, server.url, plan.most, path)
            for number, path in enumerate(map(self.path_of, range(plan.processes)))
        ]
        self.owners = [it.hear() for it in self.workers]
        self.victim: dict[str, Any] = {}

    @staticmethod
    def _child(stack: ExitStack, name: str, *words: object) -> Child:
        child = Child(HERE / name, *words)
        stack.callback(child.kill)
        return child

    def path_of(self, number: int) -> Path:
        """Where a process keeps its journal."""
        return self.folder / f"journal-{number}"

    def run(self) -> dict[str, Any]:
        """Run it all; return everything that was noted."""
        for it in self.workers:
            it.say(str(time.monotonic()))
        time.sleep(self.plan.warm)
        self._phase("calm", self.plan.calm)
        for name in self.plan.faults:
            self._phase(name, self.plan.after, FAULTS[name])
        if self.plan.kills_worker:
            self._phase("a process killed", LEASE + 3.0, self._kill_worker)
            self._phase("calm again", self.plan.calm)
        living = [it for it in self.workers if it.alive]
        for it in living:
            it.say("stop")
        broken = [error for it in living for error in it.hear(90.0)]
        left = self._left()
        log = self.gateway.ask("log")
        return {
            "phases": self.phases,
            "broken": broken,
            "left": left,
            "victim": self.victim,
            "log": log,
            "journals": [journal(self.path_of(number)) for number in range(self.plan.processes)],
        }

    def _phase(self, name: str, seconds: float, fault: Callable[[Any, float], object] | None = None) -> None:
        phase = {"name": name, "began": time.monotonic(), "losses": name in LOSSES, "lasts": name in LASTS}
        if fault is not None:
            fault(self.server, self.plan.down)
        phase["over"] = time.monotonic()
        time.sleep(max(0.0, phase["over"] + seconds - time.monotonic() - _SETTLES))
        phase.update(self._frozen())
        phase["ended"] = time.monotonic()
        self.phases.append(phase)

    def _frozen(self) -> dict[str, Any]:
        """See that as many permits are out as requests: while nothing is answered, nothing changes."""
        self.gateway.ask("freeze")
        try:
            began = time.monotonic()
            time.sleep(_SETTLES)
            while True:  # a machine that is busy takes longer; a permit that nobody has stays
                flying, out = self.gateway.ask("flying"), permits(self.server)
                odd = [kind for kind in flying if len(out.get(kind, ())) != flying[kind]]
                if not odd or time.monotonic() > began + _SETTLES + _PATIENCE:
                    break
                time.sleep(0.1)
        finally:
            self.gateway.ask("thaw")
        dead = [owner for owner, it in zip(self.owners, self.workers, strict=True) if not it.alive]
        counts = {kind: [len(tickets), flying.get(kind, 0)] for kind, tickets in out.items() if kind != "other"}
        return {"frozen": began, "out": counts, "dead": _of(out, dead)}

    def _kill_worker(self, server: Any, _: float) -> None:
        """Kill the process that holds most permits, and wait until the server has them back."""
        self.gateway.ask("freeze")
        try:
            time.sleep(_SETTLES)
            held = {number: _of(permits(server), [owner]) for number, owner in enumerate(self.owners)}
            number = max(held, key=lambda it: held[it])
            self.workers[number].kill()
        finally:
            self.gateway.ask("thaw")
        began = time.monotonic()
        self.victim = {"number": number, "owner": self.owners[number], "held": held[number], "back": None, "at": began}

        def watch() -> None:
            while _of(permits(server), [self.owners[number]]) and time.monotonic() < began + 2 * LEASE:
                time.sleep(0.2)
            self.victim["back"] = time.monotonic() - began

        threading.Thread(target=watch, daemon=True).start()

    def _left(self) -> dict[str, Any]:
        """Look what is left on the server when all calls have ended, and at last when all leases have, too."""
        time.sleep(0.5)
        began = time.monotonic()
        while sum(map(len, permits(self.server).values())) and time.monotonic() < began + LEASE + 2.0:
            time.sleep(0.1)
        living = [owner for owner, it in zip(self.owners, self.workers, strict=True) if it.alive]
        out = {kind: len(tickets) for kind, tickets in permits(self.server).items()}
        tokens = [[*it, it.sound] for it in tokens_of(self.store, self.server, Guards())]
        on_their_way = [key for key, owner in flying_creates(self.server).items() if owner in living]
        return {"out": out, "after": time.monotonic() - began, "tokens": tokens, "on their way": on_their_way}


def _of(out: dict[str, list[str]], owners: list[str]) -> int:
    """Return how many of these permits are of these processes."""
    return sum(ticket.partition(".")[0] in owners for tickets in out.values() for ticket in tickets)


def journal(path: Path) -> list[list[Any]]:
    """Read what a process wrote down."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in whole]
