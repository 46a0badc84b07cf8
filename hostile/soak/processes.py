"""Processes: started in groups of their own, looked at from outside, and ended whatever happens; knows no call.

Whoever is started dies with this process too (Linux), so that nothing stays behind when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from .setting import dies_with_parent

__all__ = ["Fleet", "Started", "seen_of"]

_MIB: Final = 2**20


@dataclass
class Started:
    """A process that was started, and what it was found to have, with all that descend from it."""

    label: str
    process: subprocess.Popen[str]
    log: Path
    ends_with: frozenset[int] = frozenset({0})
    children: set[int] = field(default_factory=set)

    @property
    def tail(self) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else ""


class Fleet:
    """All processes of a run: ``with Fleet(folder) as fleet: fleet.start(...)``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: dict[str, Started] = {}

    def start(self, label: str, words: list[str], env: dict[str, str], **more: Any) -> Started:
        """Start a process in a group of its own; ``stdin`` and ``stdout`` as ``subprocess`` has them."""
        log = self.folder / f"log-{label}.txt"
        ends_with = more.pop("ends_with", frozenset({0}))
        with log.open("ab") as file:
            given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, **more}
            given["preexec_fn"] = dies_with_parent  # safe: this process has no thread but its own
            process = subprocess.Popen(words, env=env, text=True, start_new_session=True, **given)
        self.started[label] = Started(label, process, log, ends_with)
        return self.started[label]

    def stop(self, labels: Iterable[str], seconds: float) -> list[str]:
        """Have some processes end in order; return what went wrong with that."""
        wrong = []
        for started in (those := [self.started[label] for label in labels]):
            if started.process.poll() is None:
                started.process.terminate()
        end = time.monotonic() + seconds
        for started in those:
            try:
                code = started.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                wrong.append(f"{started.label} did not end within {seconds:.0f} s\n{started.tail}")
                continue
            if code not in started.ends_with:
                wrong.append(f"{started.label} ended with {code}\n{started.tail}")
        return wrong

    def dead(self) -> list[str]:
        """Return what has ended before its time."""
        return [
            f"{it.label} ended with {it.process.returncode} in the middle\n{it.tail}"
            for it in self.started.values()
            if it.process.poll() is not None
        ]

    def left(self) -> list[int]:
        """Return the processes of our groups that are still there."""
        groups = {it.process.pid for it in self.started.values()}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    def kill(self) -> None:
        """Kill every group that is still there."""
        for started in self.started.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(started.process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.process.wait(5)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _one(process: psutil.Process) -> dict[str, float] | None:
    try:
        with process.oneshot():
            sockets = sum(_is_socket(process.pid, name) for name in os.listdir(f"/proc/{process.pid}/fd"))
            return {
                "rss_mib": process.memory_info().rss / _MIB,
                "threads": process.num_threads(),
                "fds": process.num_fds(),
                "sockets": sockets,
                "cpu": sum(process.cpu_times()[:2]),
            }
    except (psutil.Error, OSError):
        return None


def _is_socket(pid: int, name: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    except OSError:
        return False


def seen_of(started: Started) -> dict[str, float]:
    """Look at a process and its descendants: its own figures, and the means over those."""
    try:
        root = psutil.Process(started.process.pid)
        own, children = _one(root), root.children(recursive=True)
    except psutil.Error:
        return {}
    if own is None:
        return {}
    told = {name: value for name, value in own.items() if name != "cpu"}
    below = [it for it in map(_one, children) if it is not None]
    started.children.update(child.pid for child in children)
    told["children.count"] = float(len(below))
    for name in ("rss_mib", "threads", "fds", "sockets"):
        if below:
            told[f"children.{name}"] = sum(it[name] for it in below) / len(below)
    return told
