"""What docs/architecture.md says of rooms and effects is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import anyint_resilience
from anyint_resilience import effects

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
PACKAGE = Path(anyint_resilience.__file__).parent
OUTSIDE = ("adapters/", "tests/", "tools/")
TOLD = {"Ask", "Flow", "Outcome", "Pace", "Peeked", "R", "Refusal", "Result", "Target", "is_own"}
"""What stands in the module of effects and is none."""


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


def test_each_module_that_the_page_names_is_there() -> None:
    """Files and folders of the package."""
    named = {it for it in re.findall(r"`([\w/]+(?:\.py|/))`", page()) if not it.startswith(OUTSIDE)}
    assert len(named) > 20
    assert sorted(it for it in named if not (PACKAGE / it).exists()) == []


def test_each_effect_is_on_the_page() -> None:
    """All that the engine may ask of a driver, and nothing else."""
    rows = re.search(r"(?s)\| effect \|.*?\n\n", page())
    assert rows is not None
    shown = {it for cell in re.findall(r"(?m)^\| (`[^|]*) \|", rows[0]) for it in re.findall(r"`(\w+)`", cell)}
    assert shown == set(effects.__all__) - TOLD
