"""What the fuzzer's runner makes of what libFuzzer prints. The fuzzing itself has a nox session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hostile.fuzz.__main__ import main
from hostile.fuzz.running import Run, dictionary, finished

LOG = """INFO: Seed: 7
#2	INITED cov: 3 ft: 3 corp: 1/1b exec/s: 0 rss: 40Mb
#611	NEW    cov: 240 ft: 712 corp: 92/9Kb lim: 90 exec/s: 0 rss: 50Mb L: 7/88 MS: 1 EraseBytes-
#9000	REDUCE cov: 250 ft: 933 corp: 191/14Kb lim: 170 exec/s: 900 rss: 53Mb L: 26/155 MS: 1 EraseBytes-
{more}
stat::number_of_executed_units: 9412
stat::slowest_unit_time_sec:    1
stat::peak_rss_mb:              53
"""
BROKEN = " === Uncaught Python exception: ===\nAssertionError: it was undercut\nTraceback (most recent call last):\n"


def over(folder: Path, code: int, log: str) -> Run:
    """A run that has ended with this code, after it printed this."""
    (folder / "crashes").mkdir()
    (folder / "log").write_text(log)
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    return Run("hints", 5, 7, folder, process)


def test_a_good_run_is_a_row_of_figures(tmp_path: Path) -> None:
    """Inputs tried, edges and features reached, size of the corpus."""
    row = finished(over(tmp_path, 0, LOG.format(more="")))
    known = {"inputs": 9412, "edges": 250, "edges_at_the_start": 3, "features": 933, "corpus": 191, "crashes": 0}
    assert {name: row[name] for name in known} == known
    assert (row["peak_rss_mb"], row["slowest_input_s"], row["seed"], row["why"]) == (53, 1, 7, "")


def test_a_crash_is_counted_with_its_cause(tmp_path: Path) -> None:
    """One for each input that was kept."""
    run = over(tmp_path, 77, LOG.format(more=BROKEN))
    (tmp_path / "crashes" / "crash-1").write_bytes(b"x")
    row = finished(run)
    assert (row["crashes"], row["why"]) == (1, "AssertionError: it was undercut")


@pytest.mark.parametrize("code", [1, 70])
def test_a_fuzzer_that_did_not_run_is_no_good_run(tmp_path: Path, code: int) -> None:
    """A wrong argument, a module that can't be loaded: nothing was tried, which must not look like no crash."""
    row = finished(over(tmp_path, code, "ImportError: no such thing\n"))
    assert (row["inputs"], row["crashes"]) == (0, 1)
    assert "no such thing" in row["why"]


def test_a_target_that_is_none_is_named_before_anything_runs() -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match="no target 'hint': there are reading, hints"):
        main(["hint", "--seconds", "1"])


def test_a_dictionary_s_words_are_escaped() -> None:
    """Quotes, backslashes, line ends and what is no ASCII; too long a word is left out."""
    assert dictionary(['a"b', "\\", "\n", "é", "x" * 65, ""]) == '"\\x0a"\n"\\x5c"\n"a\\x22b"\n"\\xc3\\xa9"\n'
