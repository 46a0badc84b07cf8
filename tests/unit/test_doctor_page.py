"""The table of docs/doctor.md has a row for each check, in their order, and says which of them cost something."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from anyint_resilience.cli.doctor.callback import BODY
from anyint_resilience.cli.doctor.checks import CHECKS

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
