"""Run a client's own test suite bare, then with our layer in every client it builds: what passed must still pass.

Usage: ``python tools/upstream/run.py requests|httpx|httpx2|aiohttp [--keep DIR] [--mode MODE ...]``. The suite comes
out of the client's source distribution. Modes: ``strangers`` (all hosts are foreign), ``anyint`` (all hosts are
AnyInt's, one attempt), ``disabled`` (all hosts are AnyInt's, ``Policy(enabled=False)``); the last two run the tests
that made a call in the first, or broke before they could.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from outcomes import Run, changed, named, read
from suites import SUITES, Difference, Suite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODES = ("strangers", "anyint", "disabled")
AGAIN = 3
"""How often a test that newly fails is run again, bare and with us, before we believe it."""
MOST_AGAIN = 60


@dataclass(frozen=True)
class Verdict:
    """How one mode compares with bare: what differs by design, by chance, and what we broke."""

    run: Run
    calls: Counter[str]
    callers: frozenset[str]
    expected: dict[str, str]
    unsteady: dict[str, str]
    broken: list[str]


class Bench:
    """A folder with one suite's tests and an environment to run them in."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite = suite
        self.folder = folder
        self.tree = folder / "tree"
        self.python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.came_from = suite.client

    def _pip(self, *args: str) -> None:
        env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        subprocess.run([str(self.python), "-m", "pip", "-qq", *args], check=True, env=env)

    def fetch(self, suite: Suite) -> Path:
        """Download a source distribution and unpack it."""
        folder = self.folder / "sdist" / suite.client
        if not list(folder.glob("*.tar.gz")):
            wanted = f"{suite.client}{suite.version}"
            self._pip("download", "--no-deps", "--no-binary", suite.client, "-d", str(folder), wanted)
        (archive,) = folder.glob("*.tar.gz")
        unpacked = folder / archive.name.removesuffix(".tar.gz")
        if not unpacked.exists():
            with tarfile.open(archive) as tar:
                tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        return unpacked

    def prepare(self) -> str:
        """Lay out the tests and the environment; return the version that is tested."""
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
        source = self.fetch(self.suite)
        version = source.name.rpartition("-")[2]
        tests, suite = source, self.suite
        if not (source / "tests").is_dir():
            if suite.stand_in is None:
                raise SystemExit(f"{source.name}: the source distribution holds no tests")
            tests, suite = self.fetch(suite.stand_in), suite.stand_in
            print(f"{source.name}: the source distribution holds no tests; those of {tests.name} stand in for them")
        self.came_from = tests.name
        if not self.tree.exists():
            ignore = shutil.ignore_patterns("*.egg-info", "__pycache__")
            shutil.copytree(tests, self.tree, ignore=ignore)
            shutil.rmtree(self.tree / suite.package)
            if suite is not self.suite:
                self._rename()
        ready = self.folder / "venv" / "ready"
        if not ready.exists():
            needs = [f"{need}=={version}" if _name(need) == self.suite.client else need for need in self.suite.needs]
            if self.suite.needs_file is not None:
                needs += ["-r", str(source / self.suite.needs_file)]
            # Only this client's extra: other packages bring pytest plugins that a suite did not reckon with.
            self._pip("install", "-e", f"{ROOT}[{self.suite.client}]", "pytest-timeout", "pytest-xdist", *needs)
            ready.touch()
        return version

    def _rename(self) -> None:
        """Make a stand-in's tests name the client that is tested."""
        names = re.compile(rf"\b({'|'.join(self.suite.renamed)})\b")
        for path in [*self.tree.rglob("*.py"), self.tree / "pyproject.toml"]:
            text = path.read_text(encoding="utf-8")
            path.write_text(names.sub(lambda found: self.suite.renamed[found[0]], text), encoding="utf-8")

    def run(
        self, name: str, mode: str | None, only: Collection[str] | None = None, *, peel: bool = False
    ) -> tuple[Run, Counter[str], frozenset[str]]:
        """Run the suite, or only some tests of it; return outcomes, what was counted, and which tests made calls."""
        junit, log, counts = (self.folder / f"{name}.xml", self.folder / f"{name}.log", self.folder / f"{name}.counts")
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir()
        junit.unlink(missing_ok=True)
        workers = self.suite.workers if only is None or len(only) > MOST_AGAIN else 1
        args = ["-p", "no:cacheprovider", "-n", str(workers if workers > 1 else 0), "--timeout", "120", "-q"]
        args += ["-o", "junit_family=xunit1", f"--junitxml={junit}", *self.suite.args]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANYINT_", "PYTEST_"))}
        # One hash seed for all workers: they must collect the same tests. No bytecode: the tree stays as it was.
        env |= {"PYTHONPATH": str(HERE / "plugin"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        if mode is not None:
            args += ["-p", "anyint_insert"]
            told = {"client": self.suite.client, "mode": mode, "counts": str(counts), "peel": peel}
            env["ANYINT_UPSTREAM"] = json.dumps(told)
        if only is not None:
            args += ["-p", "anyint_only"]
            env["ANYINT_UPSTREAM_ONLY"] = str(self.folder / f"{name}.only")
            Path(env["ANYINT_UPSTREAM_ONLY"]).write_text(json.dumps(sorted(only)), encoding="utf-8")
        with log.open("wb") as out:
            command = [str(self.python), "-m", "pytest", *args]
            done = subprocess.run(command, cwd=self.tree, env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
        if not junit.exists():
            print(log.read_text(encoding="utf-8", errors="replace")[-4000:])
            raise SystemExit(f"{name}: pytest ended with {done.returncode} before it ran a test")
        return read(junit), *_counted(counts)

    def judge(self, mode: str, bare: Run, only: frozenset[str] | None) -> Verdict:
        """Run the suite with our layer in, and tell apart why what differs does."""
        run, calls, callers = self.run(mode, mode, only)
        lost = [test for test in changed(bare, run) if only is None or test in only]
        chance = {test: why for test in lost if (why := named(test, self.suite.cannot))}
        differ = [test for test in lost if test not in chance]
        by_design: dict[str, Difference] = {}
        for test in differ:
            told = named(test, self.suite.expected)
            if told is not None and mode in (told.modes or MODES):
                by_design[test] = told
        doubtful = self._doubtful(mode, [test for test, told in by_design.items() if told.peel])
        expected = {test: told.why for test, told in by_design.items() if test not in doubtful}
        unsteady = chance | self._unsteady(mode, [test for test in differ if test not in expected])
        broken = [test for test in differ if test not in expected and test not in unsteady]
        return Verdict(run, calls, callers, expected, unsteady, broken)

    def _doubtful(self, mode: str, tests: list[str]) -> set[str]:
        """Run tests that ask for what we wrapped again, with that shown to them; return those that still fail."""
        if not tests:
            return set()
        run, _, _ = self.run(f"{mode}-peeled", mode, tests, peel=True)
        return {test for test in tests if run.outcomes.get(test) != "passed"}

    def _unsteady(self, mode: str, tests: list[str]) -> dict[str, str]:
        """Run some tests again: those that now pass with us, or fail bare too, say nothing about us."""
        if not tests or len(tests) > MOST_AGAIN:
            return {}
        failed: dict[str | None, Counter[str]] = {None: Counter(), mode: Counter()}
        for how, times in failed.items():
            for number in range(1, AGAIN + 1):
                run, _, _ = self.run(f"{mode}-again-{'bare' if how is None else 'ours'}-{number}", how, tests)
                times.update(test for test in tests if run.outcomes.get(test) != "passed")
        return {
            test: f"failed {failed[None][test]} of {AGAIN} times bare and {failed[mode][test]} of {AGAIN} with us"
            for test in tests
            if failed[None][test] or not failed[mode][test]
        }


def _counted(folder: Path) -> tuple[Counter[str], frozenset[str]]:
    """Add up what each process of a run counted: figures, and the tests that made calls."""
    calls: Counter[str] = Counter()
    callers: set[str] = set()
    for path in folder.glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        callers.update(told.pop("tests"))
        calls.update(told)
    return calls, frozenset(callers)


def _name(requirement: str) -> str:
    """The name a requirement begins with."""
    return re.split(r"[^\w-]", requirement, maxsplit=1)[0]


def _tell_not_run(suite: Suite, bare: Run) -> None:
    """Print what does not pass bare, and so says nothing here."""
    for outcome, words in (("failed", "fail bare"), ("error", "break bare")):
        for test, found in bare.outcomes.items():
            if found == outcome:
                print(f"  {words}: {test}: {named(test, suite.cannot) or bare.why.get(test, '')[:150]}")
    reasons = Counter(bare.why.get(test, "") for test, found in bare.outcomes.items() if found == "skipped")
    for reason, count in reasons.most_common():
        print(f"  skipped bare: {count} x {reason[:150]}")


def _tell(mode: str, verdict: Verdict) -> None:
    """Print what one mode changed."""
    by_reason: dict[str, list[str]] = {}
    for test, reason in verdict.expected.items():
        by_reason.setdefault(reason, []).append(test)
    for reason, tests in by_reason.items():
        names = dict.fromkeys(test.partition("[")[0] for test in tests)
        print(f"  {mode}: {len(tests)} differ by design: {reason}: {', '.join(names)}")
    for test, reason in verdict.unsteady.items():
        print(f"  {mode}: unsteady: {test}: {reason}")
    for test in verdict.broken:
        now = verdict.run.outcomes.get(test, "not collected")
        print(f"  {mode}: BROKEN: {test}: {now}: {verdict.run.why.get(test, '')[:200]}")


def _table(suite: Suite, version: str, bare: Run, verdicts: dict[str, Verdict]) -> None:
    """Print the figures."""
    head = ("suite", "mode", "tests", "passed", "skipped", "failed", "by design", "unsteady", "broken", "clients")
    head += ("foreign calls", "AnyInt calls", "tests with calls")
    rows = [head]
    nothing = Verdict(bare, Counter(), frozenset(), {}, {}, [])
    for mode, verdict in {"bare": nothing, **verdicts}.items():
        count = verdict.run.count()
        figures = (
            len(verdict.run.outcomes),
            count["passed"],
            count["skipped"],
            count["failed"] + count["error"],
            len(verdict.expected),
            len(verdict.unsteady),
            len(verdict.broken),
            verdict.calls["clients"],
            verdict.calls["foreign"],
            verdict.calls["calls"] - verdict.calls["foreign"],
            len(verdict.callers),
        )
        rows.append((f"{suite.client} {version}", mode, *map(str, figures)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if row is head:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def _problems(verdicts: dict[str, Verdict]) -> list[str]:
    """Everything that makes the run a failure, in words."""
    found = []
    for mode, verdict in verdicts.items():
        if verdict.broken:
            found.append(f"{mode}: {len(verdict.broken)} tests that pass bare fail with our layer")
        foreign, ours = verdict.calls["foreign"], verdict.calls["calls"] - verdict.calls["foreign"]
        if not (foreign if mode == "strangers" else ours):
            found.append(f"{mode}: nothing went through our layer, so this proves nothing")
        if mode == "strangers" and ours:
            found.append(f"{mode}: {ours} calls were taken for AnyInt's")
    return found


def measure(suite: Suite, folder: Path, modes: list[str]) -> list[str]:
    """Run one suite bare and in each mode, tell all, and return what is wrong."""
    bench = Bench(suite, folder)
    version = bench.prepare()
    bare, _, _ = bench.run("bare", None)
    verdicts: dict[str, Verdict] = {}
    for mode in modes:
        # Tests that send nothing through a client are the same in all modes: they are run as strangers only.
        first = verdicts.get("strangers")
        only = None if first is None else first.callers.union(first.broken, first.unsteady)
        verdicts[mode] = bench.judge(mode, bare, only)
    print(f"{suite.client} {version}, tests of {bench.came_from}:")
    _tell_not_run(suite, bare)
    for mode, verdict in verdicts.items():
        _tell(mode, verdict)
    _table(suite, version, bare, verdicts)
    return _problems(verdicts)


def main() -> int:
    """Print each problem, return how the process should exit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", choices=sorted(SUITES))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and use what a run before has left there")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this mode; may be repeated")
    asked = parser.parse_args()
    if asked.keep is not None:
        folder = asked.keep.resolve() / asked.client
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(SUITES[asked.client], folder, asked.mode or list(MODES))
    else:
        with tempfile.TemporaryDirectory(prefix="anyint-upstream-") as made:
            found = measure(SUITES[asked.client], Path(made).resolve(), asked.mode or list(MODES))
    for problem in found:
        print(f"{asked.client}: {problem}")
    if not found:
        print(f"{asked.client}: what passes bare passes with our layer in every client")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
