"""Killed with -9 at one step of each kind: ``benchmarks/crash.py --brief``, judged by the gateway's own log.

All 500 runs, at every step: ``python -m nox -s bench -- crash``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brief import once

pytest.importorskip("h11")  # the emulator's

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "crash.py"
KINDS = (
    *("create: enter", "create: settle", "create: Send", "create: Peek", "create: Sleep", "create: Discard"),
    *("create: Answer", "wait: Rest", "wait: Ask", "wait: Tell", "sql: enter", "sql: settle", "sql: open"),
    *("gateway: arrived, work not done", "gateway: work done, no answer", "from outside, at any time"),
)


@once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this Python can't fork: Windows has neither fork nor SIGKILL")
@pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not beside these tests: the tree's own tests do it")
def test_after_a_kill_no_create_is_lost_or_done_twice() -> None:
    """Whatever step a process dies at, the next one knows each create's fate, and makes none a second time."""
    words = [sys.executable, "-W", "error", str(SCRIPT), "--brief"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "0 problems" in done.stdout
    assert [kind for kind in KINDS if f"| {kind}" not in done.stdout] == []
