"""One run of crash.py: a process makes creates and dies; another one opens its file; what is found is judged.

Must not know what is summed up of many runs. All processes are forked of this one, which has no threads and opens no
store, so that none has to import anything.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import ProxyHandler, build_opener

from _crash_judge import Judge
from _crash_points import POINTS, Points
from _crash_worker import Note, Story, journal, look, noting, story_of, work

__all__ = ["KILLS", "kind_of_kill", "kinds", "loaded", "run_one"]

GATEWAY = ("gateway: arrived, work not done", "gateway: work done, no answer")
OUTSIDE = "from outside, at any time"
KILLS = (*POINTS, *GATEWAY, *[OUTSIDE] * 11)
"""Where the runs die, in turn: as many as share no divisor with the number of clients."""


def kind_of_kill(kill: str) -> str:
    """Return what a kill has in common with others: the effect, or the change in the store."""
    return kill.partition(",")[0] if kill in POINTS else kill


def kinds(seed: int) -> tuple[str, ...]:
    """Return one kill of each kind, drawn."""
    chance = Random(seed)
    names = dict.fromkeys(map(kind_of_kill, KILLS))
    return tuple(chance.choice([kill for kill in KILLS if kind_of_kill(kill) == name]) for name in names)


_TURNS = 12  # the most times that a point is passed before the process dies at it
_LONGEST = 60.0  # seconds a process may take: one that needs more hangs
_USUAL = 0.35  # seconds in which a run that nobody kills is over, more or less


def _forked(job: Callable[[], None], noted: Path) -> int:
    """Do a job in a process of its own."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(int(_LONGEST))
        logging.disable()
        warnings.simplefilter("ignore")
        job()
        code = 0
    except BaseException:
        noted.with_suffix(".error").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(code)


def _noting(path: Path) -> Note:
    return noting(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def _die(story: Story, url: str, store: str, noted: Path, kill: str, turn: int, chance: Random) -> int:
    """Run a story's process until it dies; return its wait status."""

    def job() -> None:
        note = _noting(noted)
        order = {GATEWAY[0]: f"before {os.getpid()}", GATEWAY[1]: f"after {os.getpid()}"}.get(kill, "")
        points = Points(kill if kill in POINTS else "", turn, note)
        work(story, url, store, note, points, order)
        if kill in POINTS:
            note("never", kill, points.passed[kill])
        os.kill(os.getpid(), signal.SIGKILL)

    pid = _forked(job, noted)
    if kill == OUTSIDE:
        begun = time.monotonic() + chance.choice((0.0, 5.0, 5.0, 5.0))  # most die once they are at work
        while time.monotonic() < begun and not (noted.exists() and noted.stat().st_size):
            time.sleep(0.001)
        time.sleep(chance.random() * _USUAL)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _beside(story: Story, url: str, store: str, noted: Path) -> int:
    """Begin a process that lives on, shares the file, and makes a story's keyed creates too, the last one first."""
    same = tuple(replace(it, again=False) for it in reversed(story.creates) if it.keyed)
    other = replace(story, creates=same)
    return _forked(lambda: work(other, url, store, _noting(noted), Points(), ""), noted)


def run_one(seed: int, number: int, url: str, kill: str = "") -> dict[str, Any]:
    """Run one story, kill it, look again, and judge."""
    kill = kill or KILLS[number % len(KILLS)]
    chance = Random(f"{seed} {number} kill")
    turn, twins = chance.randint(1, _TURNS), number % 3 == 2
    with tempfile.TemporaryDirectory(prefix="anyint-crash-") as folder:
        for attempt in range(3):
            story = story_of(seed, number, f"r{seed}-{number}-{attempt}")
            store, noted, seen, twin = (Path(folder, f"{it}{attempt}") for it in ("ledger", "work", "look", "twin"))
            beside = _beside(story, url, str(store), twin) if twins else 0
            status = _die(story, url, str(store), noted, kill, turn, chance)
            problems = _broken(twin, "live on") if beside and os.waitpid(beside, 0)[1] else []
            words = journal(noted)
            never = [it for it in words if it[0] == "never"]
            if not never:
                break
            # This story passes the point less often, or not at all because another process made the file.
            turn, twins = chance.randint(1, never[0][2] or 1), twins and never[0][2] > 0
        problems += [] if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else _broken(noted, "work")
        pid = _forked(lambda: look(story, url, str(store), _noting(seen)), seen)
        if os.waitpid(pid, 0)[1]:
            problems += _broken(seen, "look")
        with build_opener(ProxyHandler({})).open(f"{url}/crash/{story.run}", timeout=20) as answer:
            log = json.load(answer)
        result = Judge(story, words, journal(seen), journal(twin), log, kill != OUTSIDE).result()
    about = {"number": number, "kill": kill, "client": story.client, "settings": story.settings, "twins": twins}
    return {**about, **result, "never": bool(never), "problems": problems + result["problems"]}


def _broken(noted: Path, what: str) -> list[str]:
    error = noted.with_suffix(".error")
    said = error.read_text(encoding="utf-8")[-1500:] if error.exists() else "it hung, or died of something else"
    return [f"the process that was to {what} failed: {said}"]


def loaded(seed: int, number: int, url: str) -> list[str]:
    """Return the modules that a run loads: whoever has them before it forks spares every process that."""
    with tempfile.TemporaryDirectory(prefix="anyint-crash-") as folder:
        noted = Path(folder, "modules")

        def job() -> None:
            work(story_of(seed, number, f"warm{number}"), url, str(Path(folder, "ledger")), _quiet, Points(), "")
            _noting(noted)(*sorted(sys.modules))

        os.waitpid(_forked(job, noted), 0)
        return [str(name) for it in journal(noted) for name in it]


def _quiet(*words: Any) -> None:
    pass
