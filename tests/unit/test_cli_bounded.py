"""Calls that may hang, and processes that must end: nothing that was left behind holds anything up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from anyint_resilience.cli.bounded import Late, within


def test_a_call_returns_what_it_returns_and_raises_what_it_raises() -> None:
    """As if it had been called; in a thread of that name."""
    assert within(10, lambda: threading.current_thread().name, name="a-wait") == "a-wait"
    with pytest.raises(KeyError, match="no"):
        within(10, lambda: {}["no"])
    assert within(10, lambda: None) is None


def test_what_ends_a_thread_is_not_taken_for_lateness() -> None:
    """What is no Exception comes through too."""

    def end() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        within(10, end)


def test_a_call_that_hangs_is_left_behind() -> None:
    """It is told, and its thread does not keep the process."""
    never = threading.Event()
    with pytest.raises(Late):
        within(0.01, never.wait, name="left-behind")
    (thread,) = [it for it in threading.enumerate() if it.name == "left-behind"]
    assert thread.daemon
    never.set()
    thread.join(10)


def program(text: str) -> tuple[int, str, str]:
    """Run a program; return its exit code, stdout and stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("ours", [True, False])
def test_a_program_ends_though_a_thread_does_not(ours: bool) -> None:
    """A thread that Python would wait for is given a while, and then the exit code is the one that was told."""
    text = f"""
import threading
from anyint_resilience.cli import chosen, ending
ending._GRACE = 0.05
threading.Thread(target=threading.Event().wait, args=(0.4,)).start()
chosen.use(program={ours})
with ending.Ending() as end:
    end.code = 3
print("told")
"""
    assert program(text) == (3 if ours else 0, "told\n", "")


def test_a_program_calls_what_is_to_be_called_at_exit_and_dies_of_no_thread() -> None:
    """A thread that prints until the end would abort Python; the code that main returned is the one that counts."""
    text = """
import atexit, sys, threading
from anyint_resilience.cli import chosen, ending
chosen.use(program=True)
def tick():
    while True:
        print("tick", file=sys.stderr)
with ending.Ending() as end:
    end.code = 3
    atexit.register(print, "at the end")
    threading.Thread(target=tick, daemon=True).start()
ending.ends_with(141)
"""
    code, out, err = program(text)
    assert (code, out, set(err.split())) == (141, "at the end\n", {"tick"})
