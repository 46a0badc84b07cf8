"""How the doctor is run in tests: in-process, against the emulator, with an environment that holds nothing else.

Must not know any check.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.cli import main
from anyint_resilience.emulator import Emulator, Fault

__all__ = ["GOOD", "HTTPX", "KEY", "ONLY", "Place", "Row", "client", "module", "place_of", "reports"]

KEY = "test-key"
HTTPX = """\
import httpx
import anyint_resilience_httpx as layer
from anyint_resilience import Policy, Resilience

anyint = Resilience.from_env()
"""
GOOD = "client = layer.wrap(httpx.Client(timeout=600), anyint)"
ONLY = ("--only", "client")  # and all that look at it
NAMES = count()
_PIECE = 7  # characters of a key that stand nowhere
_SURROUNDINGS = re.compile(
    r"(?i)^(ANYINT|OPENAI|ANTHROPIC|GOOGLE|GEMINI)_|_PROXY$|^(SSL_CERT|REQUESTS_CA|CURL_CA)|^(COLUMNS|NO_COLOR|FORCE_COLOR)$"
)


@dataclass
class Place:
    """A gateway, an empty folder to be in, and an environment that names the one key."""

    gateway: Emulator
    patch: pytest.MonkeyPatch
    folder: Path
    capsys: pytest.CaptureFixture[str]
    ends: ExitStack = field(default_factory=ExitStack)

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self.patch.setenv(name, value)

    def unset(self, *names: str) -> None:
        """Unset variables of the environment."""
        for name in names:
            self.patch.delenv(name)

    def write(self, name: str, text: str) -> None:
        """Write a file into the folder."""
        (self.folder / name).write_text(text)

    def script(self, match: str, *faults: Fault) -> None:
        """Order faults for requests."""
        self.gateway.script(*faults, match=match)

    def server(self, answer: bytes) -> str:
        """Start what answers each connection with these bytes, with none by a reset; return its host and port."""
        return self.ends.enter_context(_answering(answer))

    def run(self, *argv: str) -> tuple[int, str, str]:
        """Run the doctor; return its exit code, stdout and stderr. The key stands in neither."""
        code = main(["doctor", *argv])
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert "please report it" not in captured.out.lower()
        shown = (captured.out + captured.err).lower()
        for key in (KEY, os.environ.get("ANYINT_API_KEY", "").strip().strip("\"'")):
            whole = key.removeprefix("Bearer ").lower()
            assert not whole or whole not in shown
            if len(whole) > 3 * _PIECE:
                assert not any(whole[at : at + _PIECE] in shown for at in range(len(whole) - _PIECE + 1))
        return code, captured.out, captured.err

    def found(self, *argv: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run it with ``--json``; return its exit code and the checks by their ids."""
        code, out, _ = self.run("--json", *argv)
        document = json.loads(out)
        assert set(document) == {"checks", "ok"}
        assert document["ok"] is (code == 0)
        for check in document["checks"]:
            assert set(check) == {"id", "title", "status", "found", "advice", "seconds"}
            assert check["status"] in ("ok", "warning", "failed", "skipped")
            assert check["found"].isprintable()
            assert len(check["found"]) < 2000
            if check["status"] in ("failed", "warning"):
                assert check["advice"]
        checks = {it["id"]: it for it in document["checks"]}
        assert code == (1 if any(it["status"] == "failed" for it in checks.values()) else 0)
        return code, checks


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    over = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                if over.is_set():
                    return
                connection.settimeout(10)
                connection.recv(65536)
                connection.sendall(answer)
                if not answer:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = listening.getsockname()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{place[0]}:{place[1]}"
        over.set()
        socket.create_connection(place).close()
        thread.join(20)


@dataclass(frozen=True)
class Row:
    """A misconfiguration: what is planted, which check must tell, how, and the words of cause and advice in it.

    ``also``: other checks that tell of the same; ``paid``: how many creates may have reached the gateway.
    """

    planted: str
    check: str
    status: str
    cause: str
    advice: str
    plant: Callable[[Place], object] = lambda place: None
    argv: tuple[str, ...] = ()
    also: frozenset[str] = field(default_factory=frozenset)
    needs: str = ""

    def __str__(self) -> str:
        return re.sub(r"\W+", "-", f"{self.check} {self.planted}").strip("-").lower()


def reports(place: Place, row: Row) -> dict[str, Any]:
    """Plant a misconfiguration, run the doctor, and hold what it says against the row. Return the check."""
    if row.needs:
        pytest.importorskip(row.needs, reason="this client is not there on this Python")
    row.plant(place)
    _, checks = place.found(*(it.format(url=place.gateway.url) for it in row.argv))
    told = {name for name, it in checks.items() if it["status"] in ("failed", "warning")}
    found = checks[row.check]
    assert found["status"] == row.status, found
    assert row.cause.format(url=place.gateway.url) in found["found"], found
    assert row.advice.format(url=place.gateway.url) in found["advice"], found
    assert told == {row.check, *row.also}, {name: checks[name]["found"] for name in told}
    assert place.gateway.tasks == [], "a create reached the gateway"
    return found


def place_of(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    """Yield a place where all is well."""
    for name in [it for it in os.environ if _SURROUNDINGS.search(it)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    made = Place(emu, monkeypatch, folder, capsys)
    made.set(ANYINT_API_KEY=KEY, ANYINT_BASE_URL=emu.url)
    with made.ends:
        yield made
    assert emu.internal_errors == []


def module(place: Place, text: str) -> str:
    """Write a module; return its name, which no other test has used."""
    name = f"shop_{next(NAMES)}"
    place.write(f"{name}.py", textwrap.dedent(text))
    return name


def client(place: Place, text: str, attribute: str = "client") -> dict[str, dict[str, Any]]:
    """Run the checks of a client on a module; return what they found."""
    return place.found("--client", f"{module(place, text)}:{attribute}", *ONLY)[1]
