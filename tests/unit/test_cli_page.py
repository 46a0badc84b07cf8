"""``docs/cli.md`` says what the command line does: every command, exit code and key is on the page."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience import TaskHandle
from anyint_resilience.cli import emulator, main, parser, wait
from anyint_resilience.cli.routes import plain_row
from anyint_resilience.contract.routes import ROUTES
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.rules import Policy

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def section(name: str) -> str:
    _, _, text = PAGE.read_text(encoding="utf-8").partition(f"\n## {name}\n")
    return text.partition("\n## ")[0]


def test_every_command_has_a_row() -> None:
    """The first table names the commands, in the order of ``--help``."""
    rows = re.findall(r"(?m)^\| \[`(\w+)`\]", PAGE.read_text(encoding="utf-8"))
    assert rows == [name for name, _, _ in parser().subcommands()]


def test_the_exit_codes_are_those_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Page and ``--help`` list the same codes."""
    assert main(["--help"]) == 0
    _, _, text = capsys.readouterr().out.partition("exit codes:")
    told = re.findall(r"(?m)^  (\d+) ", text)
    _, _, table = PAGE.read_text(encoding="utf-8").partition("<!-- exits:begin -->")
    assert re.findall(r"(?m)^\| (\d+) \|", table.partition("<!-- exits:end -->")[0]) == told
    assert len(told) == 7


def keys_of(document: Any) -> set[str]:
    """All names in a document, at any depth; those of rows that are data are no names."""
    if isinstance(document, dict):
        inner = (it for name, it in document.items() if name not in ("handle", "document", "settings"))
        return set(document).union(*map(keys_of, inner))
    return set().union(*map(keys_of, document)) if isinstance(document, list) else set()


def demo() -> Any:
    pytest.importorskip("rich")
    for package in ("httpx2", "openai", "anthropic"):
        pytest.importorskip(package)
    from anyint_resilience.cli.demo.document import document
    from anyint_resilience.cli.demo.scenarios import SCENARIOS

    answer = SimpleNamespace(outcome="HTTP 200")
    some = {"wrong": [], "answer": answer, "decisions": [], "seen": [], "tasks": 0, "waited": 0.0, "seconds": 0.0}
    run = SimpleNamespace(scenario=SCENARIOS[0], key_in="no header", **some)
    return document(SimpleNamespace(good=True, seconds=0.0, own=[], runs=[run]))


def announced() -> None:
    options = Namespace(json=True, host="127.0.0.1", key=None, fault=[])
    emulator._announce("http://127.0.0.1:8080", options)


def faults() -> Any:
    pytest.importorskip("h11")
    from anyint_resilience.cli.faults import list_faults

    list_faults(as_json=True)


def waited() -> None:
    handle = TaskHandle(
        family=Family.OPENAI,
        route="POST /openai/v1/videos",
        task_id="v",
        gateway="https://api.anyint.ai",
        created_at=1.0,
    )
    wait._document(handle, None, "done", None)


DOCUMENTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "demo": ("demo", demo),
    "emulator": ("emulator", announced),
    "emulator --list-faults": ("emulator", faults),
    "explain": ("explain", lambda: Policy().decide_response("POST", "/openai/v1/videos", 503).as_dict()),
    "routes": ("routes", lambda: plain_row(ROUTES[0])),
    "wait": ("wait", waited),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_key_of_json_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads a document finds each of its keys on the page: those that the code writes, not those of a list."""
    command, make = DOCUMENTS[name]
    made = make()
    document = json.loads(capsys.readouterr().out) if made is None else made
    keys = set(document) | {"takes", "does", "headers", "outcomes"} if "faults" in document else keys_of(document)
    assert len(keys) > 4
    text = section(command)
    assert sorted(it for it in keys if f"`{it}`" not in text) == []
