"""One run: starts everything, samples it every few seconds, ends it in order; must not know how it is judged."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.redis_server import Server

from .processes import Fleet, seen_of
from .setting import PDEATHSIG, Setting

__all__ = ["KINDS", "Notes", "Plan", "run"]

KINDS: Final = {
    "mixed-memory": ("", "hostile.soak.mixed"),
    "mixed-sqlite": ("sqlite", "hostile.soak.mixed"),
    "mixed-redis": ("redis", "hostile.soak.mixed"),
    "forks-sqlite": ("sqlite", "hostile.soak.forking"),
    "forks-redis": ("redis", "hostile.soak.forking"),
    "spawn-sqlite": ("sqlite", "hostile.soak.spawning"),
    "spawn-redis": ("redis", "hostile.soak.spawning"),
    "gunicorn": ("redis", ""),
    "uvicorn": ("sqlite", ""),
    "celery": ("redis", ""),
    "asker": ("", "hostile.soak.asking"),
}
"""Kind of process: its store, and its module; the servers are started by their own commands."""
END: Final = 90.0
"""Seconds in which a kind of process has to come to its end."""
_RECYCLED: Final = {"gunicorn": "--max-requests 25 --max-requests-jitter 10", "celery": "--max-tasks-per-child 15"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run: for how long, from which seed, how often, and which leak is planted."""

    seconds: float
    seed: int
    period: float = 1.5
    every: float = 4.0
    plant: str = ""
    kinds: tuple[str, ...] = tuple(KINDS)
    keep: str | None = None


@dataclass
class Notes:
    """What a run leaves: series by kind and measure, journals, the gateway's log, and what broke."""

    series: dict[str, dict[str, list[tuple[float, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    journals: dict[str, list[list[Any]]] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    left: int = 0
    connections_left: int = 0
    cores: float = 0.0

    def add(self, kind: str, at: float, told: dict[str, float]) -> None:
        """Take a sample."""
        for name, value in told.items():
            self.series[kind][name].append((at, value))


class OwnServer(Server):
    """A server that ends with this process, whatever ends that."""

    def command(self) -> list[str]:
        """Have it say so to the system before it becomes redis-server."""
        says = f"import ctypes, os, sys; ctypes.CDLL(None).prctl({PDEATHSIG}, {int(signal.SIGKILL)})"
        return [sys.executable, "-c", f"{says}; os.execvp(sys.argv[1], sys.argv[1:])", *super().command()]


class Gateway:
    """The gateway's process, asked line for line."""

    def __init__(self, fleet: Fleet, env: dict[str, str], seed: int) -> None:
        words = [sys.executable, "-m", "hostile.soak.gateway", str(seed)]
        started = fleet.start("gateway", words, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process: Any = started.process
        self.url: str = self._hear()

    def ask(self, word: str) -> Any:
        """Ask for its counts or its log."""
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        late = threading.Timer(60.0, self._process.kill)
        late.start()
        line = self._process.stdout.readline()
        late.cancel()
        if not line:
            raise ChildProcessError("the gateway does not answer")
        return json.loads(line)


class Run:
    """Everything that runs at once."""

    def __init__(self, plan: Plan, folder: Path, fleet: Fleet, server: Server) -> None:
        self.plan, self.folder, self.fleet, self.server, self.notes = plan, folder, fleet, server, Notes()
        self.stores = {"": None, "sqlite": f"sqlite:///{folder}/soak.db", "redis": server.url}
        self.base = Setting(
            label="gateway",
            url="",
            store=None,
            store_name="",
            folder=str(folder),
            seed=plan.seed,
            period=plan.period,
            every=plan.every,
        )
        self.gateway = Gateway(fleet, self.base.env(), plan.seed)
        self.over = time.time()

    def start(self) -> None:
        """Start all kinds of processes."""
        for label in self.plan.kinds:
            store, module = KINDS[label]
            setting = replace(self.base, label=label, url=self.gateway.url, store=self.stores[store], store_name=store)
            if label.startswith("mixed") and self.plan.plant:
                setting = replace(setting, plant=self.plan.plant)
            env = {**setting.env(), **self._more(label)}
            words = [sys.executable, "-m", module] if module else self._words(label)
            self.fleet.start(label, words, env)

    def _socket(self, label: str) -> str:
        return str(self.folder / f"{label}.socket")

    def _more(self, label: str) -> dict[str, str]:
        """Return what else the environment of a kind has to hold."""
        broker = self.server.url.removesuffix("/0") + "/1"
        sockets = ",".join(f"{it}={self._socket(it)}" for it in ("gunicorn", "uvicorn") if it in self.plan.kinds)
        return {
            "gunicorn": {"SOAK_MASTER": "1"},
            "celery": {"SOAK_MASTER": "1", "SOAK_BROKER": broker},
            "asker": {"SOAK_BROKER": broker, "SOAK_SOCKETS": sockets},
        }.get(label, {})

    def _words(self, label: str) -> list[str]:
        """Return the command of a server."""
        text = {
            "gunicorn": f"gunicorn hostile.soak.web:wsgi --preload --workers 2 --worker-class sync "
            f"{_RECYCLED['gunicorn']} --bind unix:{self._socket(label)} --no-control-socket",
            "uvicorn": f"uvicorn hostile.soak.web:asgi --workers 2 --uds {self._socket(label)} --no-access-log",
            "celery": f"celery -A hostile.soak.celery_app worker --pool prefork --concurrency 2 "
            f"{_RECYCLED['celery']} --without-gossip --without-mingle --loglevel WARNING",
        }[label]
        return [sys.executable, "-m", *text.split()]

    def sample(self, at: float) -> None:
        """Look at everything from outside."""
        for label, started in self.fleet.started.items():
            self.notes.add(label, at, seen_of(started))
        self.notes.add("redis-server", at, self._redis())
        self.notes.add("sqlite file", at, self._sqlite())
        self.notes.add("gateway", at, {"connections": float(self.gateway.ask("counts")["connections"])})

    def _redis(self) -> dict[str, float]:
        space = self.server.info("keyspace", "db0")
        keys = dict(it.split("=") for it in space.split(",")).get("keys", "0") if space else "0"
        return {
            "clients": float(self.server.info("clients", "connected_clients")),
            "memory_mib": int(self.server.info("memory", "used_memory")) / 2**20,
            "keys": float(keys),
        }

    def _sqlite(self) -> dict[str, float]:
        path = self.folder / "soak.db"
        if not path.exists():
            return {}
        rows = 0
        for file in (path, path.with_name("soak.db-guards")):
            if file.exists():
                with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5) as db:
                    rows += db.execute("SELECT count(*) FROM entries").fetchone()[0]
                db.close()
        size = sum(it.stat().st_size for it in self.folder.glob("soak.db*") if it.exists())
        return {"rows": float(rows), "file_mib": size / 2**20}

    def watch(self) -> None:
        """Sample until the time is over, or something has ended that should not."""
        begun = time.monotonic()
        while (gone := time.monotonic() - begun) < self.plan.seconds:
            time.sleep(min(self.plan.every, self.plan.seconds - gone))
            self.over = time.time()
            dead = self.fleet.dead()
            if dead:
                self.notes.broken += dead
                return
            self.sample(time.monotonic() - begun)
            print(f"\r{time.monotonic() - begun:5.0f} s of {self.plan.seconds:.0f}", end="", flush=True)
        print()

    def end(self) -> None:
        """End everything in order: who asks first, the queue when it is empty, the gateway last."""
        kinds = list(self.plan.kinds)
        first = [label for label in kinds if label == "asker"]
        self.notes.broken += self.fleet.stop(first, END)
        if "celery" in kinds:
            self._drained()
        self.notes.broken += self.fleet.stop([label for label in kinds if label not in first], END)
        time.sleep(0.5)
        self.notes.left = len(set(self.fleet.left()) - {self.fleet.started["gateway"].process.pid})
        if self.notes.left:
            self.notes.broken.append(f"{self.notes.left} processes were left behind")
        self.notes.connections_left = self.gateway.ask("counts")["connections"]
        if self.notes.connections_left:
            self.notes.broken.append(f"{self.notes.connections_left} connections to the gateway were left open")
        self.notes.log = self.gateway.ask("log")
        self.notes.children = {label: len(it.children) for label, it in self.fleet.started.items()}

    def _drained(self) -> None:
        """Wait until the queue is empty."""
        end = time.monotonic() + END
        while time.monotonic() < end:
            if not self._queued():
                return
            time.sleep(0.5)
        self.notes.broken.append("the queue did not become empty")

    def _queued(self) -> int:
        import redis

        with redis.Redis.from_url(self.server.url.removesuffix("/0") + "/1") as client:
            return int(client.llen("soak")) + int(client.hlen("unacked"))

    def read(self) -> None:
        """Read what the processes wrote down."""
        for path in sorted(self.folder.glob("journal-*.jsonl")):
            self.notes.journals[path.stem.removeprefix("journal-")] = _lines(path)
        for path in sorted(self.folder.glob("inside-*.jsonl")):
            self._inside(path.stem.removeprefix("inside-"), _lines(path))

    def _inside(self, label: str, lines: list[dict[str, Any]]) -> None:
        """Put what processes said of themselves into series; of several with one label a series each."""
        numbers = {pid: at for at, pid in enumerate(dict.fromkeys(line["pid"] for line in lines), 1)}
        last: dict[int, dict[str, int]] = {}
        for line in lines:
            kind = label if len(numbers) == 1 else f"{label} {numbers[line['pid']]}"
            told = {name: line[name] for name in ("blocks", "traced_mib", "tasks") if name in line}
            if line["t"] <= self.over:  # what comes later is its end
                self.notes.add(kind, line["t"], told)
            last[line["pid"]] = line["events"]
        for events in last.values():
            for name, count in events.items():
                self.notes.events[name] = self.notes.events.get(name, 0) + count


def _lines(path: Path) -> list[Any]:
    with path.open() as file:
        return [json.loads(line) for line in file]


def run(plan: Plan) -> Notes:
    """Run everything for so long; whatever happens, nothing stays behind."""
    folder = Path(tempfile.mkdtemp(prefix="soak-")) if plan.keep is None else Path(plan.keep).resolve()
    folder.mkdir(exist_ok=True)
    try:
        with OwnServer(maxclients="500") as server, Fleet(folder) as fleet:
            it = Run(plan, folder, fleet, server)
            it.start()
            began = time.monotonic()
            try:
                it.watch()
            finally:
                it.end()
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            it.notes.cores = (used.ru_utime + used.ru_stime) / (time.monotonic() - began)
            it.read()
            for path in folder.glob("hung-*.txt"):
                if path.stat().st_size:
                    it.notes.broken.append(f"a child hung:\n{path.read_text()[:4000]}")
            return it.notes
    finally:
        if plan.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
