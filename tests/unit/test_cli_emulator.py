"""``anyint-resilience emulator``: options handed on, and a real run that ends with Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience import emulator
from anyint_resilience.cli import main


def test_options_reach_the_emulator(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, seed and share are handed on, and the address is announced."""
    calls: list[tuple[Any, ...]] = []

    def serve(host: str, port: int, *, seed: int, chaos_p: float, announce: Callable[[str], object]) -> None:
        calls.append((host, port, seed, chaos_p))
        announce("http://127.0.0.1:8080")

    monkeypatch.setattr(emulator, "serve", serve)
    assert main(["emulator", "--port", "8080", "--seed", "7", "--chaos", "0.25"]) == 0
    assert calls == [("127.0.0.1", 8080, 7, 0.25)]
    assert "http://127.0.0.1:8080/openai/v1" in capsys.readouterr().out


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A port somebody else listens on is told in one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["emulator", "--port", str(taken.getsockname()[1])]) == 2
    err = capsys.readouterr().err
    assert "cannot listen" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one child on Windows")
def test_a_real_run_answers_and_ends_with_ctrl_c() -> None:
    """``python -m anyint_resilience.cli emulator`` listens, answers, and ends cleanly when interrupted."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-m", "anyint_resilience.cli", "emulator"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().split()[3]
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{url}/__emulator__/health") as answer:
                assert answer.status == 200
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=20)
        finally:
            running.kill()
    assert (running.returncode, err) == (0, "")
