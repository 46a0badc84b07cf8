"""``doctor --client``: a module of the user's runs as in a program of its own, and spoils nothing of the doctor's.

What it prints is no result, what it does every day fails no check, and what hangs in it holds nothing up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli.doctor import context
from anyint_resilience.emulator import Emulator
from tests.real.doctor_kit import GOOD, HTTPX, ONLY, Place, client, module, place_of


@pytest.fixture
def place(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


EVERYDAY = {
    "a stream of its own encoding": "sys.stdout.reconfigure(encoding='utf-8')",
    "a stream on the buffer": "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "a signal": "signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))",
    "a loop": "loop = asyncio.get_event_loop()\nloop.run_until_complete(asyncio.sleep(0))",
    "a descriptor": "sys.stdin.fileno(), sys.stdout.fileno()",
    "arguments": "argparse.ArgumentParser().parse_args()",
    "a fork": "import warnings\nwarnings.simplefilter('ignore')\npid = os.fork()\nif not pid: os._exit(7)\n"
    "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7",
}


@pytest.mark.parametrize("name", EVERYDAY)
def test_what_modules_do_every_day_fails_no_check(place: Place, name: str) -> None:
    """Streams, signals, loops and arguments are there as in a program, though the module runs in a thread of ours."""
    if "fork" in name and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    argv, streams = list(sys.argv), (sys.stdin, sys.stdout, sys.stderr)
    text = f"import argparse, asyncio, io, os, signal, sys\n{HTTPX}{EVERYDAY[name]}\n{GOOD}"
    found = client(place, text)
    assert {it["status"] for it in found.values()} == {"ok"}, found
    assert (sys.argv, (sys.stdin, sys.stdout, sys.stderr)) == (argv, streams)


NOISY = """
import atexit, os, subprocess, sys, threading
os.system("echo by a shell")
subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
print("by itself")
print("by another name", file=sys.__stdout__)
os.write(1, b"by its number\\n")
atexit.register(print, "at the end")
over = threading.Event()
def tick():
    while not over.wait(0.001):
        print("tick")
threading.Thread(target=tick, daemon=True).start()
"""


def test_whatever_a_module_prints_stdout_is_one_document(place: Place) -> None:
    """By a shell, a child, a thread, in C or at the very end: all of it goes to stderr."""
    words = [sys.executable, "-m", "anyint_resilience.cli", "doctor", "--json", "--only", "client"]
    spec = f"{module(place, HTTPX + NOISY + GOOD)}:client"
    path = os.pathsep.join(it for it in sys.path if it)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [*words, "--client", spec], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)
    told = set(done.stderr.splitlines())
    assert told >= {"by a shell", "by a child", "by itself", "by another name", "by its number", "at the end", "tick"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell that closes descriptors")
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_where_streams_are_closed_stdout_is_one_document(place: Place, closed: str) -> None:
    """Services start programs so: what is opened next gets the numbers of what is closed."""
    name = module(place, f"import os\nos.system('echo by a shell')\n{HTTPX}{GOOD}")
    words = [sys.executable, "-m", "anyint_resilience.cli", "doctor", "--json", *ONLY, "--client", f"{name}:client"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(it for it in sys.path if it)}
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closed}', "sh", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)


def test_a_client_that_never_closes_holds_nothing_up(place: Place) -> None:
    """The result is told, and what hangs is left behind."""
    place.patch.setattr(context, "_CLOSING", 0.05)
    hangs = "class Hangs(httpx.Client):\n    def close(self): never.wait()\n"
    make = "def client(): return layer.wrap(Hangs(timeout=600), anyint)"
    name = module(place, f"import threading\nnever = threading.Event()\n{HTTPX}{hangs}{make}")
    code, out, err = place.run("--json", "--client", f"{name}:client", *ONLY)
    sys.modules[name].never.set()
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert "can't be closed: it hangs" in err


def test_a_factory_that_hangs_holds_nothing_up(place: Place) -> None:
    """A factory that never returns is left behind when its time is over."""
    name = module(place, "import threading\nclient = threading.Event().wait")
    code, checks = place.found("--client", f"{name}:client", "--timeout", "0.3", *ONLY)
    assert code == 1
    assert "did not end within" in checks["client"]["found"]
    assert all(it["status"] in ("failed", "skipped") for it in checks.values())


def test_a_client_made_by_a_factory_is_closed_again(place: Place) -> None:
    """What was made for the doctor is closed at the end; what the module holds is left as it is."""
    make = "def client():\n    made.append(httpx.Client())\n    return made[0]"
    text = f"import httpx\nkept, made = httpx.Client(), []\n{make}"
    name = module(place, text)
    place.run("--client", f"{name}:client", "--only", "client")
    place.run("--client", f"{name}:kept", "--only", "client")
    assert sys.modules[name].made[0].is_closed
    assert not sys.modules[name].kept.is_closed
    sys.modules[name].kept.close()
