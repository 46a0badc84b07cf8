"""A process that has imported everything, and forks off a program whenever it is told to: that ends as any other does.

Must not know any test. To start an interpreter for each program would take longer than all that is looked at. Run as
``python -m tests.processes.zygote``: reads a line of JSON for each program, says its process id, and how it ended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from types import SimpleNamespace

from tests.conformance.lives import FILM, body_of, path_of
from tests.conformance.surfaces import Surface
from tests.processes.kit import asked, hasty, opened, real


def program(url: str, store: str | None, library: str, backend: str | None, how: str) -> None:
    """Make a call, and a create; ``how``: ``main`` (in the main thread), or what the program does meanwhile."""
    anyint = real(SimpleNamespace(url=url), store, runtime=hasty())

    def work() -> None:
        with opened(Surface(library, backend), anyint, timeout=60) as caller:
            assert asked(caller) == 200
            caller.request("POST", path_of(FILM), json=body_of(FILM), headers={"Idempotency-Key": "mine"})

    if how == "main":
        work()
        return
    threading.Thread(target=work, daemon=True).start()
    sys.stdin.readline()
    sys.exit(3)


def main() -> None:
    """Fork off programs, one after the other."""
    for line in iter(sys.stdin.readline, ""):
        words = json.loads(line)
        child = os.fork()
        if child == 0:
            for number, name in enumerate(words.pop("files")):
                os.dup2(os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY), number)
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the other has read ahead
            program(**words)
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
