"""A fleet whose store is killed and stopped under load: ``benchmarks/chaos.py --quick``, judged by the gateway's log.

All faults, with 16 processes, and how long anything takes: ``python -m nox -s bench -- chaos``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.brief import once
from tests.redis_kit import needs_redis

pytest.importorskip("httpx")  # the fleet's client

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "chaos.py"


@needs_redis
@once
@pytest.mark.timeout(300)
@pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not beside these tests: the tree's own tests do it")
def test_a_fleet_outlives_its_store() -> None:
    """While it is killed and comes back empty, or stands still, no call fails of it, and no create is done twice."""
    words = [sys.executable, "-W", "error", str(SCRIPT), "--quick"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "failed for the store's sake: 0;" in done.stdout
    assert "done twice: 0;" in done.stdout
    assert "permits out when all had ended: 0," in done.stdout
    assert "| kill -9, empty " in done.stdout
    assert "| stopped " in done.stdout
