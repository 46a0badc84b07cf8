"""A page's outputs are held against what its programs print. Must not know our own pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.unit.check_docs_kit import written
from tools.check_docs import blocks, outputs

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a page, and return its path."""
    return partial(written, tmp_path)


SHOWN = """\
200 3 models
POST /x: 2 attempt(s), waited 1.07 s
  1. +0.00 s: 429 -> backoff: request id req_ab12...; attempt 1 of 3 at http://127.0.0.1:8080/x
"""


TRIED = (
    "POST /x: 2 attempt(s), waited 0.9 s\n"
    "  1. +0.1 s: 429 -> backoff: request id req_ff; attempt 1 of 3 at http://127.0.0.1:41231/x"
)


@pytest.mark.parametrize(
    ("printed", "good"),
    [
        (f"200 3 models\n{TRIED}", True),
        (f"first\n200 3 models\nmore\n{TRIED.replace('waited', chr(10) + '  waited')}\nlast", True),
        (f"200 9 models\n{TRIED}", False),
        (f"x200 3 models\n{TRIED}", False),
        (f"200 3 models\n{TRIED.replace('1 of 3', '1 of 30')}", False),
        (f"200 3 models\n{TRIED}y", False),
        (f"200 3 models\n{TRIED.replace('/x: 2', '/y: 2')}", False),
        (f"{TRIED}\n200 3 models", False),
        ("", False),
    ],
)
def test_an_output_is_what_the_program_prints(write: Write, printed: str, good: bool) -> None:
    """Times, ids, ports, line ends and what is left out may differ; words, whole numbers and their order may not."""
    page = blocks.read(write(f"~~~python\nprint()\n~~~\n\n~~~text\n{SHOWN}~~~\n"))
    ((_, block),) = outputs.expected(page).items()
    assert (list(outputs.unlike(block, printed)) == []) is good


def test_an_output_that_says_nothing_is_a_problem(write: Write) -> None:
    """Anything would do for it."""
    page = blocks.read(write("~~~python\nprint()\n~~~\n\n~~~text\n...\n~~~\n"))
    ((_, block),) = outputs.expected(page).items()
    (said,) = outputs.unlike(block, "hello")
    assert said.startswith(f"{page.path}:5: it says nothing")


def test_a_text_further_down_is_no_output(write: Write) -> None:
    """With words between, or a mark, it is about something else."""
    text = "~~~python\nprint()\n~~~\n\n{}\n~~~text\nhello\n~~~\n"
    for between in ("Elsewhere:", "<!-- check: skip, of another machine -->"):
        page = blocks.read(write(text.format(between)))
        assert (page.problems, outputs.expected(page)) == ([], {})
