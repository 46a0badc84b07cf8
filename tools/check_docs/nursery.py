"""A process that has imported what the blocks import, once, and forks for each of them: ``python -W error -m ...``.

One connection to its socket is one program: a line of JSON asks, a line of JSON answers. Its standard input is its
life: it ends when that does. Must not know documents, nor what an answer means.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from . import child

__all__ = ["main"]

ALWAYS = ("asyncio", "anyint_resilience.emulator", "anyint_resilience_httpx")
# What an SDK imports only when it is first used.
LATER = {
    "openai": ("openai.resources.chat", "openai.resources.responses", "openai.resources.videos"),
    "anthropic": ("anthropic.resources.messages",),
}
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # what keeps an import from asking the network
LOOK = 0.005  # seconds between two looks at a program that runs
SHOWN = 6_000  # characters of what a program has written


def preload(modules: Iterable[str]) -> str:
    """Import them; return one that started a thread, which no fork would have, else nothing.

    What cannot be imported is left alone: the block that wants it says so, better.
    """
    for name in (*ALWAYS, *modules):
        for module in (name, *LATER.get(name, ())):
            with contextlib.suppress(Exception):
                importlib.import_module(module)
        if threading.active_count() > 1:
            return name
    return ""


def serve(listener: socket.socket, alive: int) -> None:
    """Fork for each connection until the file descriptor ``alive`` ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(alive, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == alive:
                    return
                connection, _ = listener.accept()
                if os.fork() == 0:
                    _keep(listener, connection)
                connection.close()


def _keep(listener: socket.socket, connection: socket.socket) -> NoReturn:
    """Be the keeper of one program, and end."""
    try:
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection, connection.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps(keep(json.loads(lines.readline()))) + "\n")
    except BaseException as error:  # whoever asked is told by the lost connection
        print(f"the keeper of a block failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def keep(job: dict[str, Any]) -> dict[str, Any]:
    """Run a program beside an emulator of its own; kill what is left of it when it ends, or when its time is over."""
    place = Path(tempfile.mkdtemp(prefix="block-"))  # not a TemporaryDirectory: its fork would remove it at its exit
    try:
        return _kept(job, place / "here", place / "output")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _kept(job: dict[str, Any], folder: Path, output: Path) -> dict[str, Any]:
    folder.mkdir()
    reading, writing = os.pipe()
    pid = os.fork()  # before the emulator's thread begins
    if pid == 0:
        os.close(writing)
        child.become(job, folder=folder, output=output, url=reading)
    os.close(reading)
    began = time.monotonic()
    with _emulator() as url:
        os.write(writing, url.encode())
        os.close(writing)
        code = _wait(pid, began + job["seconds"])
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what the program has started and left
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return {"code": code, "seconds": time.monotonic() - began, "output": _short(text)}


@contextlib.contextmanager
def _emulator() -> Iterator[str]:
    from anyint_resilience.emulator import Emulator

    with Emulator(keys=None) as emulator:
        yield emulator.url


def _wait(pid: int, until: float) -> int | None:
    """How the process ended, None when it had to be killed. A signal's number is negative, as in subprocess."""
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # should it not have made its group yet
    os.waitpid(pid, 0)
    return None


def _short(text: str) -> str:
    """The end of what was written: that is where the reason stands."""
    return text if len(text) <= SHOWN else f"... {len(text) - SHOWN} characters before ...\n{text[-SHOWN:]}"


def main() -> None:
    """``nursery SOCKET MODULE...``; says on stdout ``ready``, or ``cold MODULE`` where it must be left out."""
    place, *modules = sys.argv[1:]
    os.environ.update(OFFLINE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        if cold := preload(modules):
            print("cold", cold, flush=True)
            os._exit(0)  # its threads need not end
        gc.collect()
        gc.freeze()  # so that the collector of a fork does not touch, and copy, all of it
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
        listener.listen(64)
        print("ready", flush=True)
        serve(listener, sys.stdin.fileno())


if __name__ == "__main__":
    main()
