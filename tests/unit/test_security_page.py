"""What docs/security.md says of bounds is what the code has, and the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyint_resilience import Policy
from anyint_resilience.configuring import files
from anyint_resilience.judging import PAID_BYTES, PEEK_BYTES
from anyint_resilience.listening import OPENING_BYTES
from anyint_resilience.policy import bodies
from anyint_resilience.streams.watcher import MAX_EVENT
from anyint_resilience.tasks import callbacks, updates

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
KIB, MIB = 1024, 1024 * 1024


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ("read of an error's body to classify it; you still get all of it", PEEK_BYTES),
        ("of the answer to a paid create, until its task is known", PAID_BYTES),
        ("what a compressed body is opened to", bodies.MAX_BODY),
        ("one event of a stream", MAX_EVENT),
        ("a task's document", updates.MAX_DOCUMENT),
        ("a callback's body", callbacks._MAX_BODY),
        ("a configuration file", files._BYTES),
    ],
)
def test_a_bound_on_the_page_is_the_code_s(row: str, bound: int) -> None:
    """Where the code changes, the page has to."""
    said = f"{bound // MIB} MiB" if bound % MIB == 0 else f"{bound // KIB} KiB"
    assert f"| {row} | {said} |" in page()


def test_how_much_of_a_stream_is_held_back_is_on_the_page() -> None:
    """In bytes; the seconds are a setting, whose name stands there."""
    assert f"{OPENING_BYTES // KIB} KiB, and `stream_hold` seconds" in page()
    assert Policy().stream_hold


def test_each_test_that_the_page_names_is_there() -> None:
    """By its whole path."""
    named = re.findall(r"[\w/]*test_\w+\.py", page())
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
