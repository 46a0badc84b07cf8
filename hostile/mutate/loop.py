"""A pytest plugin that collects the tests once and runs them in a fork for each mutant. Must not judge a result.

Started by ``hostile.mutate.running`` in a copy of the tree: ``python -m pytest -p hostile.mutate.loop FILES``.
A process for each mutant would cost a second of imports; a fork costs some milliseconds. What an import remembers (a
cache, a table) would hide a mutant in a fork: caches are emptied before, and ``running`` plays what only imports call
in processes of their own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import _lru_cache_wrapper
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from _pytest.outcomes import Skipped
from _pytest.runner import runtestprotocol
from coverage import Coverage
from hypothesis import Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test

WORK = "mutate-work.json"  # what to do: modules, mutants and their functions, jobs
SEEN = "mutate-seen.json"  # which test runs which line, and how long it takes
DONE = "mutate-done.jsonl"  # what became of each
SECOND = "MUTATE_SECOND_LOOK"  # set where one process plays one mutant
CONTROL = "no mutant"
OURS = "anyint_resilience"
MEMORY = 1 << 30
CPU, WALL = 2.0, 30.0

_on_failure: list[Callable[[pytest.Item, pytest.CallInfo[Any]], None]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """The same few examples for each mutant, and no search for the smallest one that fails."""
    settings.register_profile(
        "mutate", settings(), derandomize=True, max_examples=30, database=None, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("mutate")
    session.config.stash[_WORK] = json.loads(Path(WORK).read_text(encoding="utf-8"))
    if SECOND in os.environ:
        return
    watching = _coverage(session.config.stash[_WORK]["modules"])
    watching.start()
    for name in session.config.stash[_WORK]["modules"]:
        module = importlib.import_module(name)
        where = Path(str(module.__file__)).resolve()
        assert where.is_relative_to(Path.cwd()), f"{where} is not the mutated copy"
    watching.stop()
    session.config.stash[_IMPORTED] = _lines(watching, session.config.stash[_WORK]["modules"])


def _coverage(modules: list[str]) -> Coverage:
    return Coverage(data_file=None, include=[str(Path(name.replace(".", "/") + ".py").resolve()) for name in modules])


def _lines(watching: Coverage, modules: list[str]) -> dict[str, dict[int, list[str]]]:
    """Module -> line -> in which contexts it ran."""
    data = watching.get_data()
    paths = {name: str(Path(name.replace(".", "/") + ".py").resolve()) for name in modules}
    return {name: data.contexts_by_lineno(path) for name, path in paths.items()}


_WORK: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
_IMPORTED: pytest.StashKey[dict[str, dict[int, list[str]]]] = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """The first failure is all there is to know: no report is made of it."""
    if call.excinfo is not None and not call.excinfo.errisinstance(Skipped):
        for told in _on_failure:
            told(item, call)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """All mutants, one fork each."""
    if SECOND in os.environ:
        return None
    if session.testsfailed:
        raise pytest.UsageError("the tests cannot be collected")
    items = [item for item in session.items if item.get_closest_marker("xfail") is None]
    _forget(gc.get_objects())
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all forks
    gc.collect()
    gc.freeze()
    Loop(items, session.config.stash[_WORK], session.config.stash[_IMPORTED]).run()
    return True


def _forget(things: Iterable[object]) -> None:
    """Empty the caches of functions among these."""
    for kept in things:
        if isinstance(kept, _lru_cache_wrapper):
            kept.cache_clear()


def _is_ours(function: object) -> bool:
    return str(getattr(function, "__module__", "")).startswith(OURS)


class Loop:
    """The forks: which tests a mutant is shown, in which order, and how long."""

    def __init__(
        self, items: list[pytest.Item], work: dict[str, Any], imported: dict[str, dict[int, list[str]]]
    ) -> None:
        self.items = items
        self.work = work
        self.imported = imported
        self.place = {item.nodeid: index for index, item in enumerate(items)}
        self.took: list[float] = []
        self.lines: dict[str, dict[int, list[int]]] = {}
        self.breadth: list[int] = []
        self.killers: dict[str, list[int]] = {}

    def run(self) -> None:
        """Look which test touches what, then play all mutants, and last of all none."""
        self._look()
        done = Path(DONE).read_text(encoding="utf-8").splitlines() if Path(DONE).exists() else []
        known = {json.loads(line)["name"] for line in done}  # of a run that was stopped
        waiting = iter([*(it for it in self.work["mutants"] if it["name"] not in known), *self._controls()])
        running: dict[int, Any] = {}
        more = True
        with Path(DONE).open("a", encoding="utf-8") as self.out:
            while more or running:
                while more and len(running) < self.work["jobs"]:
                    mutant = next(waiting, None)
                    more = mutant is not None
                    if mutant is not None:
                        self._start(mutant, running)
                self._reap(running)

    def _controls(self) -> Iterator[dict[str, Any]]:
        """A fork without a mutant for each module: would it be killed, then by the way it is played."""
        for module in self.work["modules"]:
            mutants = [mutant for mutant in self.work["mutants"] if mutant["module"] == module]
            most = max(mutants, key=lambda it: len(self.lines[module].get(it["lines"][0], [])), default=None)
            if most is not None:
                yield {**most, "name": CONTROL}

    def _look(self) -> None:
        """In a fork too, that what the tests leave behind is not inherited."""
        if not Path(SEEN).exists():
            pid = os.fork()
            if pid == 0:
                try:
                    Path(SEEN).write_text(json.dumps(self._watched()), encoding="utf-8")
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
        seen = json.loads(Path(SEEN).read_text(encoding="utf-8"))
        if seen["failed"]:
            raise pytest.UsageError(f"failing without any mutant: {seen['failed']}")
        self.took = seen["took"]
        self.lines = {name: {int(line): tests for line, tests in by.items()} for name, by in seen["lines"].items()}
        self.breadth = [0] * len(self.items)
        for by_line in self.lines.values():
            for tests in by_line.values():
                for index in tests:
                    self.breadth[index] += 1

    def _watched(self) -> dict[str, Any]:
        failed: list[str] = []
        _on_failure.append(lambda item, call: failed.append(f"{item.nodeid}: {call.excinfo!r}"))
        took = []
        caches = [it for it in gc.get_objects() if isinstance(it, _lru_cache_wrapper) and _is_ours(it)]
        watching = _coverage(self.work["modules"])
        watching.start()
        for index, (item, after) in enumerate(_paired(self.items)):
            _forget(caches)  # else only the first test would be seen to run what is remembered
            watching.switch_context(str(index))
            began = time.process_time()
            runtestprotocol(item, log=False, nextitem=after)
            took.append(time.process_time() - began)
        watching.stop()
        found = _lines(watching, self.work["modules"])
        lines = {
            name: {line: [int(it) for it in tests if it] for line, tests in by.items()} for name, by in found.items()
        }
        return {"failed": failed, "took": took, "lines": lines}

    def _order(self, mutant: dict[str, Any]) -> list[int]:
        """The tests that run the changed line: first what killed another mutant there, then one case of each test."""
        by_line = self.lines[mutant["module"]]
        first, last = mutant["lines"]
        running = {test for line in range(first, last + 1) for test in by_line.get(line, [])}
        known = [index for index in self.killers.get(mutant["mangled"], []) if index in running]
        cases: dict[str, int] = {}
        ranked = []
        for index in sorted(running.difference(known), key=self._cost):
            test = self.items[index].nodeid.partition("[")[0]
            cases[test] = cases.get(test, 0) + 1
            ranked.append((cases[test], index))
        order = [*known, *(index for _, index in sorted(ranked, key=lambda it: (it[0], self._cost(it[1]))))]
        cap = self.work["cap"]
        if cap is None:
            return order
        spent = accumulate(self.took[index] for index in order)
        return [index for index, so_far in zip(order, spent, strict=True) if so_far <= cap] or order[:1]

    def _cost(self, index: int) -> tuple[float, int]:
        """Narrow and quick tests come first."""
        return self.took[index] * (1 + self.breadth[index]), index

    def _start(self, mutant: dict[str, Any], running: dict[int, Any]) -> None:
        order = self._order(mutant)
        if not order:
            if mutant["name"] != CONTROL:
                self._write(mutant, "no tests", 0.0)
            return
        estimate = sum(self.took[index] for index in order)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _child(mutant["name"], [self.items[index] for index in order], self.place, writing, estimate)
        os.close(writing)
        running[pid] = (mutant, time.monotonic(), reading, WALL + 60 * estimate)

    def _reap(self, running: dict[int, Any]) -> None:
        """Wait until one has ended, or one must be ended."""
        while True:
            for pid, (mutant, began, reading, limit) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                late = time.monotonic() - began > limit
                if ended == 0 and late:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                if ended or late:
                    del running[pid]
                    with os.fdopen(reading, encoding="ascii") as pipe:
                        told = pipe.read()
                    self._settle(mutant, status if ended else None, told, time.monotonic() - began)
            if len(running) < self.work["jobs"]:
                return
            time.sleep(0.002)

    def _settle(self, mutant: dict[str, Any], status: int | None, told: str, seconds: float) -> None:
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU)):
            self._write(mutant, "timed out", seconds)
            return
        if status == 0:
            self._write(mutant, "survived", seconds)
            return
        killer = self.items[int(told)].nodeid if told else ""
        if told:
            known = self.killers.setdefault(mutant["mangled"], [])
            if int(told) in known:
                known.remove(int(told))
            known.insert(0, int(told))
            del known[20:]
        self._write(mutant, "killed", seconds, by=killer or f"the process ended with {status}")

    def _write(self, mutant: dict[str, Any], became: str, seconds: float, *, by: str = "") -> None:
        if mutant["name"] == CONTROL:
            if became != "survived":
                raise pytest.UsageError(f"without any mutant: {became} by {by}")
            return
        line = {"name": mutant["name"], "became": became, "seconds": round(seconds, 3), "by": by}
        at_import = self.imported[mutant["module"]]
        line["imported"] = any(it in at_import for it in range(mutant["lines"][0], mutant["lines"][1] + 1))
        self.out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.out.flush()


def _child(name: str, items: list[pytest.Item], place: dict[str, int], writing: int, estimate: float) -> None:
    """Play one mutant. Never returns: the fork ends with 0 (nobody saw it) or 1."""

    def seen(item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        _told(writing, str(place[item.nodeid]))
        os._exit(1)

    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, CPU + 2 * estimate)
        _on_failure.append(seen)
        set_mutant_under_test(name)
        for item, after in _paired(items):
            runtestprotocol(item, log=False, nextitem=after)
    except BaseException:
        os._exit(2)
    os._exit(0)


def _paired(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def _told(pipe: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(pipe, data) :]


assert sys.platform != "win32", "forks are needed"
