"""``docs/cli.md`` says what the command line does: every command, exit code and key is on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyint_resilience.cli import main, parser
from anyint_resilience.cli.routes import plain_row
from anyint_resilience.contract.routes import ROUTES
from anyint_resilience.policy.rules import Policy

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
DEMO = (
    "ok seconds problems scenarios number title wrong client call model outcome decisions requests tasks waited key_in"
)
WAIT = "handle phase state progress results note polls elapsed document reason ended"
KEYS = {
    "demo": DEMO.split(),
    "emulator": "url host port pid base_urls faults tasks takes does headers outcomes".split(),
    "explain": list(Policy().decide_response("POST", "/openai/v1/videos", 503).as_dict()),
    "routes": list(plain_row(ROUTES[0])),
    "wait": WAIT.split(),
}


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


@pytest.mark.parametrize("command", KEYS)
def test_every_key_of_json_is_named(command: str) -> None:
    """Whoever reads a document finds each of its keys on the page."""
    text = section(command)
    assert [it for it in KEYS[command] if f"`{it}`" not in text] == []
