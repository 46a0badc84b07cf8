"""An interpreter that ends, or is told to, with calls in flight: no hang, and no traceback of a thread of ours.

Must not know what runs beside the calls.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.lives import FILM, path_of
from tests.conformance.surfaces import SURFACES, Surface
from tests.processes.kit import PATIENCE, can_fork, in_turn, real, store_url
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.waiting import until

pytestmark = [can_fork, pytest.mark.timeout(3 * PATIENCE)]
each = in_turn(SURFACES)

HUNG = Fault(stall="before_headers", process=True)


class Programs:
    """Processes of their own, one at a time; see ``zygote``."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / name for name in ("in", "out", "err")]
        os.mkfifo(self.files[0])
        path = os.pathsep.join(it for it in sys.path if it)
        self.zygote = subprocess.Popen(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m", "tests.processes.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONPATH": path},
        )

    def start(self, emu: Emulator, url: str | None, surface: Surface, how: str) -> int:
        """Start one whose create hangs; return its process id when that is out."""
        assert self.zygote.stdin is not None
        for it in self.files[1:]:
            it.write_text("")
        emu.script(HUNG, match=path_of(FILM))
        words = {"url": emu.url, "store": url, "library": surface.library, "backend": surface.backend, "how": how}
        self.zygote.stdin.write(json.dumps({**words, "files": [str(it) for it in self.files]}) + "\n")
        number = int(self._line())
        self.input = open(self.files[0], "w")  # noqa: SIM115 - closed when it has ended
        until(lambda: bool(emu.requests("POST", path_of(FILM))), PATIENCE)
        return number

    def end(self) -> tuple[int, str, str]:
        """Let it end; return its status, and what it said."""
        with suppress(BrokenPipeError):  # it did not wait for it
            self.input.write("\n")
            self.input.close()
        status = int(self._line())
        return status, self.files[1].read_text(), self.files[2].read_text()

    def _line(self) -> str:
        assert self.zygote.stdout is not None
        return self.zygote.stdout.readline()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    made = Programs(tmp_path_factory.mktemp("programs"))
    yield made
    made.zygote.kill()
    made.zygote.communicate()


def fates(emu: Emulator, url: str | None) -> list[str]:
    """Return what the next process knows of the create."""
    anyint = real(emu, url)
    try:
        return [it.fate for it in anyint.ledger.entries()]
    finally:
        anyint.ledger.store.close()


@each
def test_an_interpreter_that_ends_with_a_call_in_flight(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator, programs: Programs
) -> None:
    """It ends at once, with its own status, and says nothing."""
    url = store_url(store, request, tmp_path)
    programs.start(emu, url, surface, "exit")
    assert programs.end() == (3, "", "")
    if store == "sqlite":
        assert fates(emu, url) == ["unknown"]


@each
def test_ctrl_c_in_a_create(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator, programs: Programs
) -> None:
    """It is what the program ends by, and the create that was out is of unknown outcome."""
    url = store_url(store, request, tmp_path)
    os.kill(programs.start(emu, url, surface, "main"), signal.SIGINT)
    status, said, wrong = programs.end()
    assert (status, said) == (-signal.SIGINT, "")
    assert wrong.strip().endswith("KeyboardInterrupt"), wrong
    assert "Exception ignored" not in wrong
    assert "Exception in thread" not in wrong
    # A cancelled task of trio's can await nothing more: on Redis it is on its way until this process's lease is over.
    late = ["in_flight"] if (store, surface.backend) == ("redis", "trio") else ["unknown"]
    if store != "memory":
        assert fates(emu, url) in (["unknown"], late)


@each
def test_sigterm_in_a_create(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator, programs: Programs
) -> None:
    """Python does not hear of it: the next process finds what the last one left behind."""
    url = store_url(store, request, tmp_path)
    os.kill(programs.start(emu, url, surface, "main"), signal.SIGTERM)
    assert programs.end() == (-signal.SIGTERM, "", "")
    if store == "sqlite":
        assert fates(emu, url) == ["unknown"]
