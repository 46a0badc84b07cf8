"""The table of docs/doctor.md has a row for each check, in their order, and says which of them cost something."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from anyint_resilience.cli.doctor.callback import BODY
from anyint_resilience.cli.doctor.checks import CHECKS
from anyint_resilience.cli.doctor.finding import failed
from anyint_resilience.cli.doctor.running import Done
from anyint_resilience.cli.doctor.showing import show_all

PAGE = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


def test_each_check_has_its_row() -> None:
    """Step, name and the mark of what a model writes are those of the table of checks."""
    table = page().partition("<!-- checks:begin -->")[2].partition("<!-- checks:end -->")[0]
    rows = re.findall(r"^\| (\d?) \| `([a-z0-9-]+)`( \*)? \|", table, re.MULTILINE)
    wanted = [("" if it.step is None else str(it.step), it.id, " *" if it.tokens else "") for it in CHECKS]
    assert rows == wanted


def test_the_callback_is_the_one_that_is_posted() -> None:
    """The body that the page shows is the one that goes out."""
    (block,) = re.findall(r'```json\n(\{"callbackType".*?)\n```', page(), re.DOTALL)
    assert json.loads(block) == BODY


def test_the_document_of_json_is_the_one_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The page shows each key that a program reads, and no other."""
    (block,) = re.findall(r'```json\n(\{\n  "checks".*?)\n```', page(), re.DOTALL)
    shown = json.loads(block)
    show_all([Done(CHECKS[0], failed("no", "set it"), 0.0)], str, code=1, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (list(printed), list(printed["checks"][0])) == (list(shown), list(shown["checks"][0]))
